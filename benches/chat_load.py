#!/usr/bin/env python3
"""The whole program under a flood of messages from a double of Slack.

    benches/chat_load.py [PROGRAM [A_SECOND [SECONDS]]]

PROGRAM is target/release/smartcloudops, built with `--features slack`. Every message is answered; printed is how
many were acknowledged, after how many milliseconds, the processor time of one, and the memory at most.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent
PROGRAM = ROOT / "target/release/smartcloudops"
CONFIG = """
[store]
url = "sqlite:{folder}/bot.db"
[http]
enabled = false
[bot]
answers_in_thread = 1000000
[detection]
mode = "off"
[log]
directory = "{folder}/logs"
[slack]
bot_token = "xoxb-load"
app_token = "xapp-load"
api_url = "{double}/api"
"""


@contextmanager
def running(program: str, more: str = "") -> Iterator[tuple[Callable[..., dict], subprocess.Popen, Path]]:
    """A bot that is connected to a double of Slack: how to ask the double, the bot and its configuration."""
    with tempfile.TemporaryDirectory() as folder:
        double = subprocess.run([ROOT / "tests/peers/slack.sh", f"{folder}/slack"], check=True, capture_output=True,
                                text=True).stdout.strip()
        pid = int(Path(folder, "slack/pid").read_text())

        def ask(path: str, body: object = None) -> dict:
            data = None if body is None else json.dumps(body).encode()
            request = urllib.request.Request(f"{double}/_double/load/{path}", data, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.load(answer)

        config = Path(folder, "load.toml")
        config.write_text(CONFIG.format(folder=folder, double=double) + more)
        with open(f"{folder}/log", "w", encoding="utf-8") as log:
            bot = subprocess.Popen([program, "serve", "--config", config], stdout=log, stderr=log)
        try:
            ask("wait?connections=1&timeout=60")
            yield ask, bot, config
        finally:
            bot.terminate()
            bot.wait()
            os.kill(pid, 15)


def main(program: str = str(PROGRAM), a_second: str = "200", seconds: str = "60") -> None:
    rate, events = int(a_second), int(a_second) * int(seconds)
    with running(program) as (ask, bot, _):

        def cpu() -> float:
            fields = Path(f"/proc/{bot.pid}/stat").read_text().rsplit(")", 1)[1].split()
            return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")

        ask("flood", {"events": 100, "per_second": 100, "text": "help"})
        ask("wait?messages=100&timeout=60")
        before = cpu()
        ask("flood", {"events": events, "per_second": rate, "text": "help"})
        while not ask("flood")["done"]:
            time.sleep(1)
        ask(f"wait?messages={events + 100}&timeout=100")
        flood = ask("flood")
        status = Path(f"/proc/{bot.pid}/status").read_text()
        memory = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024
        print(f"{flood['acked']} of {flood['sent']} acknowledged and answered, {rate} a second")
        print(f"acknowledged after {flood['p50_ms']} ms at the median, {flood['p99_ms']} ms for 99 of 100, "
              f"{flood['max_ms']} ms at most")
        print(f"{(cpu() - before) / events * 1000:.2f} ms of processor time each, {memory:.0f} MB at most")


if __name__ == "__main__":
    main(*sys.argv[1:])
