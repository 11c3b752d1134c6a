#!/usr/bin/env python3
"""Draws the golden cards as people see them: tests/data/cards → docs/images/cards-PLATFORM.png.

    tests/cards.py        needs chromium on the PATH

It reads the messages as they are sent, so that what a platform would show as markup is shown as markup here.
"""

import html
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
ORDER = ("answer", "incident", "resolved", "approval", "refusal", "hostile")
PICTURE = (ROOT / "docs/images/incident.png").as_uri()

STYLE = """
body { margin: 0; padding: 24px; width: 620px; font: 15px/1.45 'Liberation Sans', sans-serif; }
.message { margin: 0 0 22px; } .bot { font-weight: bold; } .tag { font-size: 10px; padding: 1px 4px; border-radius: 3px; }
.bar { border-left: 4px solid #999; padding: 2px 0 2px 12px; margin: 4px 0; }
pre { margin: 4px 0; padding: 8px; font: 13px/1.4 'Liberation Mono', monospace; border-radius: 4px; white-space: pre; }
img { max-width: 400px; border-radius: 4px; display: block; margin: 6px 0; }
.note { font-size: 12px; } .actions { margin: 6px 0; } .line { white-space: pre-wrap; }
.button { display: inline-block; padding: 4px 12px; margin: 0 6px 4px 0; border-radius: 4px; font-size: 13px; font-weight: bold; }
.slack { background: #fff; color: #1d1c1d; } .slack .tag { background: #ddd; color: #555; }
.slack pre { background: #f8f8f8; border: 1px solid #ddd; } .slack .note { color: #616061; }
.slack .button { border: 1px solid #bbb; } .slack .primary { background: #007a5a; color: #fff; border-color: #007a5a; }
.slack .danger { background: #e01e5a; color: #fff; border-color: #e01e5a; }
.discord { background: #313338; color: #dbdee1; } .discord .bot { color: #f2f3f5; }
.discord .tag { background: #5865f2; color: #fff; } .discord .bar { background: #2b2d31; padding: 8px 12px; border-radius: 4px; }
.discord pre { background: #1e1f22; } .discord .note { color: #949ba4; } .discord .button { background: #4e5058; color: #fff; }
.discord .primary { background: #5865f2; } .discord .danger { background: #da373c; }
.matrix { background: #fff; color: #1b1d22; } .matrix .bot { color: #0467dd; } .matrix .tag { display: none; }
.matrix p { margin: 2px 0 6px; } .matrix pre, .matrix code { background: #f0f2f5; border-radius: 4px; }
.matrix code { padding: 1px 4px; font: 13px/1.4 'Liberation Mono', monospace; } .matrix pre code { padding: 0; }
.discord a { color: #00a8fc; } .discord .mention { background: #3c4270; color: #c9cdfb; }
"""


def button(label: str, kind: str = "") -> str:
    return f'<span class="button {kind}">{html.escape(label)}</span>'


# Slack: <https://docs.slack.dev/reference/block-kit/blocks>

def slack_inline(element: dict) -> str:
    text = html.escape(element.get("text", ""))
    return f"<b>{text}</b>" if element.get("style", {}).get("bold") else text


def slack_block(block: dict) -> str:
    match block["type"]:
        case "rich_text":
            shown = []
            for part in block["elements"]:
                inside = "".join(slack_inline(it) for it in part["elements"])
                shown.append(f"<pre>{inside}</pre>" if "preformatted" in part["type"] else f'<div class="line">{inside}</div>')
            return "".join(shown)
        case "context":
            return "".join(f'<div class="note line">{html.escape(it["text"])}</div>' for it in block["elements"])
        case "image":
            return f'<img src="{PICTURE}" alt="{html.escape(block["alt_text"])}">'
        case "actions":
            shown = []
            for it in block["elements"]:
                label = it.get("text", it.get("placeholder"))["text"]
                shown.append(button(label + (" ▾" if "select" in it["type"] else ""), it.get("style", "")))
            return f'<div class="actions">{"".join(shown)}</div>'
    raise SystemExit(f"no picture of {block['type']}")


def slack(message: dict) -> str:
    shown = "".join(map(slack_block, message.get("blocks", [])))
    for attachment in message.get("attachments", []):
        inside = "".join(map(slack_block, attachment["blocks"]))
        shown += f'<div class="bar" style="border-color: {attachment["color"]}">{inside}</div>'
    return shown


# Discord: <https://docs.discord.com/developers/reference#message-formatting>

MARKUP = re.compile(
    r"\\([^\w\s])|```\n?(.*?)\n?```|\*\*(.+?)\*\*|\*(.+?)\*|`(.+?)`|\[([^\]]+)\]\((https?://[^)]+)\)|(https?://\S+)|"
    r"(<@&?\d+>|@everyone|@here)|(:[a-z_]+:)", re.S)


def discord_text(text: str) -> str:
    def shown(found: re.Match) -> str:
        plain, fence, bold, slanted, code, label, target, link, mention, emoji = found.groups()
        if plain is not None:
            return html.escape(plain)
        if fence is not None:
            return f"<pre>{html.escape(fence)}</pre>"
        if bold:
            return f"<b>{discord_text(bold)}</b>"
        if slanted:
            return f"<i>{discord_text(slanted)}</i>"
        if code:
            return f"<code>{html.escape(code)}</code>"
        if label or link:
            return f'<a href="#">{html.escape(label or link)}</a>'
        return f'<span class="mention">{html.escape(mention or emoji or target)}</span>'

    lines, place = [], 0
    for found in MARKUP.finditer(text):
        lines += [html.escape(text[place:found.start()]), shown(found)]
        place = found.end()
    joined = "".join(lines) + html.escape(text[place:])
    small = re.sub(r"(?m)^-# (.*)$", r'<span class="note">\1</span>', joined)
    return re.sub(r"</pre>\n", "</pre>", small)


def discord(message: dict) -> str:
    shown = f'<div class="line">{discord_text(message["content"])}</div>'
    styles = {1: "primary", 4: "danger"}
    for embed in message["embeds"]:
        colour = f"#{embed['color']:06x}" if embed.get("color") else "#4e5058"
        inside = f'<div class="line">{discord_text(embed.get("description") or "")}</div>'
        if embed.get("image"):
            inside += f'<img src="{PICTURE}" alt="">'
        shown += f'<div class="bar" style="border-color: {colour}">{inside}</div>'
    for row in message["components"]:
        parts = [button(it["placeholder"] + " ▾") if it["type"] == 3 else button(it["label"], styles.get(it["style"], ""))
                 for it in row["components"]]
        shown += f'<div class="actions">{"".join(parts)}</div>'
    return shown


# Matrix: <https://spec.matrix.org/latest/client-server-api/#mroommessage-msgtypes>

def matrix(message: dict) -> str:
    return f'<div class="page">{message["formatted_body"]}</div>'


def main() -> None:
    for platform, draw, height in (("slack", slack, 1560), ("discord", discord, 1640), ("matrix", matrix, 1260)):
        cards = [json.loads((ROOT / f"tests/data/cards/{platform}/{name}.json").read_text()) for name in ORDER]
        messages = "".join(f'<div class="message"><span class="bot">ops</span> <span class="tag">APP</span>{draw(it)}</div>'
                           for it in cards)
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder) / "cards.html"
            page.write_text(f'<meta charset="utf-8"><style>{STYLE}</style><body class="{platform}">{messages}')
            picture = ROOT / f"docs/images/cards-{platform}.png"
            done = subprocess.run(
                ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--window-size=668,{height}",
                 f"--screenshot={picture}", page.as_uri()], capture_output=True, text=True, check=False)
            if done.returncode or not picture.exists():
                sys.exit(f"chromium drew nothing: {done.stderr[-400:]}")
            print(picture)


if __name__ == "__main__":
    main()
