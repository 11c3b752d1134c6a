#!/usr/bin/env python3
"""Writes docs/platforms/faults.md from what the tests of faults said.

    tests/run -- --test it -- faults:: together:: conversation::f | tests/faults.py
"""

import os
import re
import sys
from collections import defaultdict
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs/platforms/faults.md"
PLATFORMS = ("slack", "discord", "matrix")
# The module whose tests are about every platform, and the one about what is behind all of them.
EVERYWHERE, CORE = "together", "conversation"
# What can go wrong, and the platforms on which it cannot.
FAULTS = {
    1: ("an event is delivered again", ()),
    2: ("the database stands still: the platform is told within a second", ()),
    3: ("the platform closes connections to make room", ("discord", "matrix")),
    4: ("connections of others get a share of the events", ("discord", "matrix")),
    5: ("the platform asks to wait", ()),
    6: ("a message was posted and the answer to that was lost", ("discord", "matrix")),
    7: ("a request that the platform did not sign, or one again", ("discord", "matrix")),
    8: ("a session ends or is interrupted", ("slack",)),
    9: ("a crash loop uses up the sessions of a day", ("slack", "matrix")),
    10: ("a connection is dead and does not say so", ()),
    11: ("a second process with the same login", ()),
    12: ("an answer comes too late for its command", ("slack", "matrix")),
    13: ("a command is forged and sent to the bot's own address", ("slack", "matrix")),
    14: ("a token does not hold: it is not tried again and again", ("slack",)),
    15: ("more was said while the bot was away than the platform tells by itself", ("slack", "discord")),
    16: ("a message was posted and the answer to that was lost, where the platform knows a number for it", ("slack",)),
    17: ("what is encrypted is forged, repeated or from a device that nobody vouches for", ("slack", "discord")),
    18: ("what is encrypted cannot be read, or the keys are lost", ("slack", "discord")),
    19: ("a message is edited into a command", ()),
    20: ("bots, webhooks and the bot itself speak; a thread runs away", ()),
    21: ("somebody calls themselves like somebody else", ()),
    22: ("people of another workspace or server speak", ()),
    23: ("a token is revoked: the others go on, and it is told there", ()),
    24: ("a machine is called like a mention, a link or markup", ()),
}


def main() -> None:
    if "SMARTCLOUDOPS_TEST_ALLOW_MISSING" in os.environ:
        sys.exit("a test that was left out says `ok` too: run them all")
    found = re.findall(r"^test (\w+)(?:::faults)?::f(\d\d)_(\w+) \.\.\. (\w+)", sys.stdin.read(), re.M)
    if not found:
        sys.exit("no test of a fault is in what was given")
    results = defaultdict(list)
    for platform, number, name, result in sorted(set(found)):
        for of in PLATFORMS if platform == EVERYWHERE else (platform,):
            results[int(number), of].append((name, result))
    rows, tests = [], []
    for number, (what, not_on) in FAULTS.items():
        cells = []
        for platform in (*PLATFORMS, CORE):
            seen = results[number, platform]
            if not seen and platform == CORE:
                cells.append("")
            elif not seen:
                cells.append("cannot happen" if platform in not_on else "no test yet")
            else:
                bad = [name for name, result in seen if result != "ok"]
                cells.append(f"**{len(bad)} of {len(seen)} failed**" if bad else f"passed ({len(seen)})")
        rows.append(f"| F{number:02} | {what} | {' | '.join(cells)} |")
    for platform, number, name, _ in sorted(set(found), key=lambda it: (it[1], it[0], it[2])):
        where = {EVERYWHERE: "every platform", CORE: "core"}.get(platform, platform)
        tests.append(f"- F{number}, {where}: `f{number}_{name}`")
    PAGE.write_text(f"""# What can go wrong

Faults between the bot and a platform, and what the tests of them said when this page was written, by
`tests/faults.py` from their output. Those of a platform run the real program, and some the adapter alone, against a
double of Slack or of Discord, or a real homeserver of Matrix (where it is to misbehave in ways that it does not, a
socket that plays it). Those of the core run the bot and its database with a platform in memory.

| | fault | {' | '.join(platform.capitalize() for platform in PLATFORMS)} | core |
|---|---|---|---|---|---|
{chr(10).join(rows)}

## The tests

Each is in `tests/it`, under this name:

{chr(10).join(tests)}
""")
    print(PAGE)


if __name__ == "__main__":
    main()
