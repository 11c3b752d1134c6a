#!/usr/bin/env python3
"""A test double of Slack: its Web API, Socket Mode and signed HTTP requests, on the loopback interface.

    slack.py [--port N] --ready FILE        needs aiohttp and slack_sdk

FILE gets the base URL once the double listens; it runs until SIGTERM. One process serves many independent
workspaces: NAME comes into being with the first use of `xoxb-NAME`, `xapp-NAME` or a control path with NAME.
Its team is T + NAME in capitals without other characters than letters and digits, its signing secret is
`secret-NAME`, the bot is UBOT / BBOT of app AAPP. U1..U5 exist, each with a direct message D1..D5; the bot is a
member of C1 and C2, and not of C9. The Web API is under /api/METHOD. Blocks are judged by Slack's own SDK models
and by the documented limits; what was turned down, and why, is in `rejected` of the state.

Control, JSON in and out, POST /_double/NAME/ACTION ({"ok": false, "error": …} and HTTP 4xx when refused):

    message     channel, user, text, thread_ts?, channel_type?, team? (a speaker from another workspace), bot_id?,
                subtype?, mention? (whether an app_mention comes with it), copies?          → ts
    edit        channel, ts, text, user                                                    → message_changed
    command     channel, user, command, text?
    press       channel, ts, label or action_id, user; `ephemeral`: true looks among ephemerals,
                `view_id` or `home`: true instead of channel and ts presses in a view. 404: no such button
    choose      as press, with placeholder or action_id, and option (its text or value)
    submit      view_id? (the last opened), user, values {block_id, action_id or "": text}   → view_submission
    home        user                                                                       → app_home_opened
    event       payload: an events_api payload as it is, for example a url_verification
    envelope    type, payload: any envelope
        All of these take `via`: "socket" (the answer has `envelopes`) or {"url", timeout?, retry? {num, reason},
        age? (seconds the timestamp lies back), secret?} for a signed request (`responses`: status, body, ms).
    disconnect  reason, close_after? (10 s for warning, else 0.5), all?; sends `disconnect`, then closes
    drop        aborts every connection
    fault       method ("*", "upload", "response" for response_urls, "connect" for the upgrade), times?, retry_after?,
                seconds?, error?, kind: 429 | 500 | html502 | drop_before | drop_after | half_body | hang | delay |
                error. drop_after and half_body do the work; "connect" knows only what comes before the work
    set         revoked, paused (503 to everything), ghosts (other connections that swallow envelopes), socket_mode,
                redeliver_after (3), scopes, member {channel: bool} (an unknown channel is made), trigger_life (3),
                ping_every (5; 0: never), mute (connections stay open and silent), echo (the bot's own posts come
                back to it as message events), file_delay (seconds until a completed file counts as processed),
                named {user: what they call themselves}, base (the URL that the bot is told to use, as of a proxy),
                keep_blocks (chat.update with a text and no blocks keeps the blocks; as documented it removes them)
    flood       events, per_second, users, text, channel? (else direct messages)           → id

    GET flood   sent, acked, p50_ms, p99_ms, max_ms, done
    GET state   messages {channel: [...]}, ephemerals, reactions, files, views, home, calls, rejected, connections,
                acks, unacked, lost, max_ack_ms
    GET wait    the state as soon as all of these hold, HTTP 408 with the state after `timeout` (10 s): messages (at
                least so many of the bot, in `channel` or anywhere), text (in a text, block or attachment there, as
                JSON), ephemerals, acks, reactions, views, and of them errors (told in) and closed (at least), connections
                (exactly), home (a user)

Events that nobody acknowledged are sent again, with the same envelope_id: after `redeliver_after` or at once when
their connection closes, three times at most; while nothing is connected they wait. Interactions and commands are
sent once (`lost`: nobody was there). The acks of a flood count in its own numbers and in max_ack_ms only.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import logging
import mimetypes
import os
import random
import re
import signal
import time
import uuid
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any, Coroutine, Iterator, Optional
from urllib.parse import urlencode

from aiohttp import ClientError, ClientSession, ClientTimeout, WSMsgType, web
from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block
from slack_sdk.models.views import View
from slack_sdk.signature import SignatureVerifier

Json = dict[str, Any]
BOT, BOT_ID, APP, HOST = "UBOT", "BBOT", "AAPP", {"host": "double"}
SETTINGS: Json = {
    "revoked": False, "paused": False, "ghosts": 0, "socket_mode": True, "redeliver_after": 3, "trigger_life": 3,
    "ping_every": 5, "mute": False, "echo": False, "file_delay": 0, "keep_blocks": False,
    "named": {}, "base": "",
    "scopes": "app_mentions:read,channels:history,channels:read,chat:write,commands,files:write,groups:history,"
              "groups:read,im:history,im:read,mpim:history,mpim:read,reactions:write,users:read"}
FAULTS = ("429", "500", "html502", "drop_before", "drop_after", "half_body", "hang", "delay", "error")
MAX_RETRIES, MAX_LINKS, RESPONSE_USES, RESPONSE_LIFE = 3, 10, 5, 30 * 60
# The documented limit of an updated text is a tenth of that of a new one.
MAX_TEXT, MAX_UPDATE = 40_000, 4_000
# What the Web API never shows of a stored message.
UNSHOWN = {"unfurl_links", "unfurl_media", "link_names"}
VIEW_FIELDS = {"type", "title", "blocks", "close", "submit", "private_metadata", "callback_id", "clear_on_close",
               "notify_on_close", "external_id", "submit_disabled"}
LIMITS = {("header", "text"): 150, ("button", "text"): 75, ("button", "value"): 2000, ("option", "text"): 75,
          ("option", "value"): 150, ("option", "description"): 75, ("section", "text"): 3000,
          ("actions", "elements"): 25, ("context", "elements"): 10, ("section", "fields"): 10,
          ("static_select", "options"): 100, ("overflow", "options"): 5, ("radio_buttons", "options"): 10,
          ("checkboxes", "options"): 10}
PLAIN_FIELDS = ("placeholder", "label", "hint", "title", "submit", "close", "deny")
LIST_FIELDS = ("elements", "fields", "options", "option_groups")
CONTEXT_ELEMENTS = ("image", "mrkdwn", "plain_text")
SDK_FAULTS = (SlackObjectFormationError, TypeError, AttributeError, ValueError, KeyError)


class SlackError(Exception):
    """An `ok: false` of the Web API."""

    def __init__(self, error: str, *messages: str) -> None:
        super().__init__(": ".join([error, "; ".join(messages)] if messages else [error]))
        self.body: Json = {"ok": False, "error": error}
        if messages:
            self.body["response_metadata"] = {"messages": [f"[ERROR] {message}" for message in messages]}


class Refused(Exception):
    """A control request that cannot be done."""

    def __init__(self, why: str, status: int = 404) -> None:
        super().__init__(why)
        self.status = status


class Args(dict):
    """The arguments of a request; in forms and queries, structures are JSON texts."""

    def text(self, name: str, missing: str = "invalid_arguments") -> str:
        value = self.get(name)
        if value in (None, ""):
            raise SlackError(missing, f"missing required field: {name}")
        if not isinstance(value, (str, int, float)) or isinstance(value, bool):
            raise SlackError("invalid_arguments", f"must provide a string [json-pointer:/{name}]")
        return str(value)

    def some(self, name: str) -> Json:
        """An optional text, to be merged into a message."""
        return {name: self.text(name)} if self.get(name) else {}

    def flag(self, name: str) -> bool:
        return str(self.get(name)).lower() in ("1", "true")

    def number(self, name: str, default: float) -> float:
        try:
            return float(self.text(name)) if self.get(name) not in (None, "") else default
        except ValueError:
            raise SlackError("invalid_arguments", f"must provide a number [json-pointer:/{name}]") from None

    def structure(self, name: str, kind: type, error: str = "invalid_arguments") -> Any:
        value = self.get(name)
        try:
            value = json.loads(value) if isinstance(value, str) else value
        except ValueError:
            value = None
        if not isinstance(value, kind):
            raise SlackError(error, f"must be a JSON {kind.__name__} [json-pointer:/{name}]")
        return value


@dataclass(eq=False)
class Link:
    """An open Socket Mode connection."""

    socket: web.WebSocketResponse
    transport: Any
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    leaving: bool = False


@dataclass
class Parcel:
    """An envelope on its way; the context is what an answer to it refers to."""

    envelope: Json
    context: Json
    sent: float = 0.0
    acked: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Flood:
    sent: int = 0
    poured: bool = False
    times: list[float] = field(default_factory=list)

    def state(self) -> Json:
        times = sorted(self.times)
        at = {f"p{p}_ms": times[min(len(times) - 1, len(times) * p // 100)] if times else None for p in (50, 99)}
        return {"sent": self.sent, "acked": len(times), **at, "max_ms": max(times, default=None),
                "done": self.poured and len(times) == self.sent}


def fresh(prefix: str) -> str:
    return prefix + uuid.uuid4().hex[:10].upper()


def user_name(user: str) -> str:
    return "ops-bot" if user == BOT else f"user{user[1:]}"


def tampered(how: Optional[str], body: str, stamp: str, signature: str) -> tuple[str, str, str]:
    """A signed request as somebody on the way may have changed it."""
    flipped = signature[:-1] + ("1" if signature.endswith("0") else "0")
    return {None: (body, stamp, signature), "appended": (body + " ", stamp, signature),
            "somebody else": (body.replace("U1", "U2"), stamp, signature),
            "later": (body, str(int(stamp) + 1), signature), "words": (body, "now", signature),
            "negative": (body, f"-{stamp}", signature), "flipped": (body, stamp, flipped),
            "version": (body, stamp, "v1" + signature[2:]), "bare": (body, stamp, signature[3:]),
            "short": (body, stamp, signature[:-2]), "long": (body, stamp, signature + "00"),
            "capitals": (body, stamp, "v0=" + signature[3:].upper() + "0"), "empty": (body, stamp, ""),
            "prefix": (body, stamp, "v0=")}[how]


def channel_type(channel: str) -> str:
    return {"D": "im", "G": "mpim"}.get(channel[0], "channel")


def since(moment: float) -> float:
    return round((time.monotonic() - moment) * 1000, 2)


def shown(message: Json, replies: list[Json] | tuple = (), metadata: bool = True) -> Json:
    """A message as the Web API shows it, a root with the numbers of its thread."""
    hidden = UNSHOWN if metadata else UNSHOWN | {"metadata"}
    answer = {key: value for key, value in message.items() if key not in hidden}
    if replies:
        users = list(dict.fromkeys(reply.get("user", reply.get("bot_id")) for reply in replies))
        answer |= {"thread_ts": message["ts"], "reply_count": len(replies), "reply_users_count": len(users),
                   "reply_users": users, "latest_reply": replies[-1]["ts"]}
    return answer


def objects(value: Any, path: str = "") -> Iterator[tuple[str, Json]]:
    """Every object inside a structure, with its JSON pointer."""
    if isinstance(value, dict):
        yield path, value
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from objects(part, f"{path}/{key}")


def elements(block: Json) -> list[Json]:
    """The interactive elements of a block."""
    inside = block.get("elements", []) if block["type"] in ("actions", "context_actions") else []
    return inside + [block[name] for name in ("accessory", "element")
                     if name in block and block[name].get("type") != "image"]


def options(select: Json) -> list[Json]:
    return [option for group in [select, *select.get("option_groups", [])] for option in group.get("options", [])]


def identified(blocks: list[Json]) -> list[Json]:
    """Blocks as Slack stores them: it makes up the identifiers that are missing."""
    for block in blocks:
        block.setdefault("block_id", uuid.uuid4().hex[:5])
        for element in elements(block):
            element.setdefault("action_id", uuid.uuid4().hex[:5])
    return blocks


def model_fault(block: Any) -> Optional[str]:
    try:
        given = json.loads(json.dumps(block))
        for _, part in objects(given):
            # Documented, and unknown to the models.
            if part.get("type") == "rich_text_preformatted":
                part.pop("language", None)
        model = Block.parse(json.loads(json.dumps(given)))
        if model is None or type(model) is Block:
            return f"unsupported type: {given.get('type')}"
        model.validate_json()
        kept = model.to_dict()
    except SDK_FAULTS as fault:
        return str(fault)
    changed = sorted(key for key in given.keys() | kept.keys() if given.get(key) != kept.get(key))
    return f"not what the model of this block keeps: {', '.join(changed)}" if changed else None


def length(value: Any) -> int:
    value = value.get("text") if isinstance(value, dict) else value
    return len(value) if isinstance(value, (str, list)) else 0


def limit_faults(path: str, part: Json) -> Iterator[str]:
    """What the models let pass."""
    kind = part.get("type", "option" if "value" in part else "")
    for (owner, name), limit in LIMITS.items():
        if owner == kind and length(part.get(name)) > limit:
            yield f"more than {limit} [json-pointer:{path}/{name}]"
    if re.search(r"/fields/\d+$", path) and length(part) > 2000:
        yield f"more than 2000 characters [json-pointer:{path}]"
    for name in PLAIN_FIELDS + (("text",) if kind in ("button", "header") else ()):
        if isinstance(part.get(name), dict) and part[name].get("type", "plain_text") != "plain_text":
            yield f"must be plain_text [json-pointer:{path}/{name}]"
    for name in LIST_FIELDS:
        for item in part[name] if isinstance(part.get(name), list) else ():
            if not isinstance(item, dict) or name == "options" and not (item.get("text") and item.get("value")):
                yield f"incomplete or not an object [json-pointer:{path}/{name}]"
            elif (kind, name) == ("context", "elements") and item.get("type") not in CONTEXT_ELEMENTS:
                yield f"not allowed in a context block [json-pointer:{path}/{name}]"


def repeated(structure: Any) -> list[str]:
    """Identifiers that occur more than once."""
    found = Counter((name, part[name]) for _, part in objects(structure) for name in ("action_id", "block_id")
                    if isinstance(part.get(name), str))
    return [f"{name} {value} is not unique" for (name, value), count in found.items() if count > 1]


class Store:
    """What a workspace holds."""

    def __init__(self, name: str, base: str) -> None:
        self.name, self.own = name, base
        self.team = "T" + re.sub(r"[^A-Z0-9]", "", name.upper())
        self.settings = dict(SETTINGS)
        self.users = {BOT}
        self.channels: dict[str, Json] = {"C1": {"name": "general", "member": True},
                                          "C2": {"name": "ops", "member": True},
                                          "C9": {"name": "elsewhere", "member": False}}
        for number in range(1, 6):
            self.add_user(f"U{number}")
        self.messages: dict[str, list[Json]] = defaultdict(list)
        self.files: dict[str, Json] = {}
        self.home: dict[str, Json] = {}
        self.ephemerals: list[Json] = []
        self.reactions: list[Json] = []
        self.views: list[Json] = []
        self.rejected: list[Json] = []
        self.acks: list[Json] = []
        self.faults: list[Json] = []
        self.calls: Counter[str] = Counter()
        self.tickets: set[str] = set()
        self.triggers: dict[str, float] = {}
        self.responses: dict[str, Json] = {}
        self.links: list[Link] = []
        self.parcels: dict[str, Parcel] = {}
        self.tasks: set[asyncio.Task] = set()
        self.flood, self.lost, self.max_ack_ms, self.clock = Flood(), 0, 0.0, 0
        self.change = asyncio.Event()

    @property
    def base(self) -> str:
        return self.settings["base"] or self.own

    def add_user(self, user: str) -> None:
        self.users.add(user)
        self.channels.setdefault("D" + user[1:], {"name": "directmessage", "member": True, "user": user})

    def touch(self) -> None:
        """Wakes whoever waits for the state to change."""
        self.change.set()
        self.change = asyncio.Event()

    def stamp(self) -> str:
        self.clock = max(self.clock + 1, time.time_ns() // 1000)
        return f"{self.clock // 1_000_000}.{self.clock % 1_000_000:06d}"

    def reject(self, method: str, why: object) -> None:
        self.rejected.append({"method": method, "why": str(why)})
        self.touch()

    def start(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.finished)

    def finished(self, task: asyncio.Task) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and task.exception():
            logging.error("a task of %s failed", self.name, exc_info=task.exception())

    def channel(self, args: Args, name: str = "channel", joined: bool = True) -> str:
        given = args.text(name, "channel_not_found")
        given = "D" + given[1:] if given in self.users - {BOT} else given
        if given not in self.channels:
            raise SlackError("channel_not_found")
        if joined and not self.channels[given]["member"]:
            raise SlackError("not_in_channel")
        return given

    def message(self, channel: str, ts: str) -> Json:
        for message in self.messages[channel]:
            if message["ts"] == ts:
                return message
        raise SlackError("message_not_found")

    def replies_to(self, channel: str, root: str) -> list[Json]:
        return [m for m in self.messages[channel] if m.get("thread_ts") == root and m["ts"] != root]

    def post(self, channel: str, fields: Json) -> Json:
        message = {"type": "message", "user": BOT, "bot_id": BOT_ID, "app_id": APP, "team": self.team, "text": "",
                   "ts": self.stamp(), **fields}
        self.messages[channel].append(message)
        self.touch()
        return message

    def whisper(self, channel: str, user: str, fields: Json) -> str:
        self.ephemerals.append({"ts": self.stamp(), "channel": channel, "user": user, "text": "", **fields})
        self.touch()
        return self.ephemerals[-1]["ts"]

    def trigger(self) -> str:
        trigger = f"{random.randrange(10**12)}.{random.randrange(10**11)}.{uuid.uuid4().hex}"
        self.triggers[trigger] = time.monotonic() + self.settings["trigger_life"]
        return trigger

    def response_url(self, target: Json) -> str:
        key = uuid.uuid4().hex
        self.responses[key] = {**target, "uses": 0, "until": time.monotonic() + RESPONSE_LIFE}
        return f"{self.base}/response/{self.name}/{key}"

    def ready(self, file: Json) -> bool:
        return file["completed"] and time.monotonic() >= file["ready_at"]

    def file_answer(self, file: Json) -> Json:
        url, ready = f"{self.base}/files/{self.name}/{file['id']}", self.ready(file)
        return {"id": file["id"], "name": file["name"], "title": file["title"], "user": BOT, "size": file["size"],
                "mimetype": file["mimetype"] if ready else "", "alt_txt": file["alt_txt"], "url_private": url,
                "filetype": file["name"].rpartition(".")[2] if ready else "", "permalink": url}

    def file_faults(self, path: str, part: Json) -> Iterator[str]:
        given = part.get("slack_file")
        if isinstance(given, dict):
            file = self.files.get(str(given.get("id") or given.get("url")).rpartition("/")[2])
            if not file or not self.ready(file) or not file["mimetype"].startswith("image/"):
                yield f"not a processed image of this workspace [json-pointer:{path}/slack_file]"

    def block_faults(self, blocks: list, path: str, limit: int = 50) -> list[str]:
        faults = [f"no more than {limit} items allowed [json-pointer:{path}]"] if len(blocks) > limit else []
        judged = [(number, model_fault(block)) for number, block in enumerate(blocks)]
        faults += [f"{fault} [json-pointer:{path}/{number}]" for number, fault in judged if fault]
        for where, part in objects(blocks, path):
            faults += [*limit_faults(where, part), *self.file_faults(where, part)]
        return faults

    def content(self, args: Args, longest: int = MAX_TEXT) -> Json:
        """The parts of a message that a request gives, checked."""
        found = args.some("text")
        if len(found.get("text", "")) > longest:
            raise SlackError("msg_too_long")
        if args.get("blocks") not in (None, ""):
            found["blocks"] = args.structure("blocks", list, "invalid_blocks_format")
            faults = self.block_faults(found["blocks"], "/blocks") + repeated(found["blocks"])
            if faults:
                raise SlackError("invalid_blocks", *faults)
        if args.get("attachments") not in (None, ""):
            found["attachments"] = args.structure("attachments", list, "invalid_attachments")
            self.check_attachments(found["attachments"], found.get("blocks"))
        identified(found.get("blocks", []))
        if args.get("metadata") not in (None, ""):
            data = found["metadata"] = args.structure("metadata", dict, "invalid_metadata_format")
            if data and not (isinstance(data.get("event_type"), str) and isinstance(data.get("event_payload"), dict)):
                raise SlackError("invalid_metadata_format")
        return found

    def check_attachments(self, attachments: list, blocks: Optional[list]) -> None:
        if len(attachments) > 100:
            raise SlackError("too_many_attachments")
        faults = repeated([blocks, attachments])
        for number, attachment in enumerate(attachments):
            inside = attachment.get("blocks", []) if isinstance(attachment, dict) else None
            if isinstance(inside, list):
                faults += self.block_faults(inside, f"/attachments/{number}/blocks")
            else:
                faults.append(f"must be an object with a list of blocks [json-pointer:/attachments/{number}]")
        if faults:
            raise SlackError("invalid_attachments", *faults)
        for number, attachment in enumerate(attachments):
            identified(attachment.get("blocks", []))
            attachment.update(id=number + 1, fallback=attachment.get("fallback", "[no preview available]"))

    def view(self, args: Args, kind: str, key: str) -> Json:
        """The view of a request, checked, as Slack keeps it."""
        given = args.structure("view", dict)
        faults = [f"unsupported field: {name}" for name in sorted(given.keys() - VIEW_FIELDS)]
        blocks = given.get("blocks") if isinstance(given.get("blocks"), list) else []
        try:
            View(**{"type": "", **json.loads(json.dumps(given))}).validate_json()
        except SDK_FAULTS as fault:
            faults.append(str(fault))
        faults += self.block_faults(blocks, "/view/blocks", 100) + repeated(blocks)
        if given.get("type") != kind:
            faults.append(f"must be of type {kind} [json-pointer:/view/type]")
        asks = any(isinstance(block, dict) and block.get("type") == "input" for block in blocks)
        for name in ("title", "submit")[:1 + asks] if kind == "modal" else ():
            if not isinstance(given.get(name), dict):
                faults.append(f"missing required field: {name} [json-pointer:/view]")
        if faults:
            raise SlackError("invalid_arguments", *faults)
        return {"private_metadata": "", "callback_id": "", "external_id": "", "clear_on_close": False,
                "notify_on_close": False, "close": None, "submit": None, "state": {"values": {}}, "app_id": APP,
                "team_id": self.team, "bot_id": BOT_ID, "app_installed_team_id": self.team, **given, "id": key,
                "root_view_id": key, "blocks": identified(blocks), "hash": f"{time.time():.6f}.{fresh('')}"}


class WebApi(Store):
    """The methods of the Web API: `api_` and the name, with underscores for dots."""

    def api_auth_test(self, args: Args) -> Json:
        return {"url": f"{self.base}/", "team": self.name, "user": user_name(BOT), "team_id": self.team,
                "user_id": BOT, "bot_id": BOT_ID, "is_enterprise_install": False}

    def api_apps_connections_open(self, args: Args) -> Json:
        if not self.settings["socket_mode"]:
            raise SlackError("socket_mode_not_enabled")
        ticket = uuid.uuid4().hex
        self.tickets.add(ticket)
        return {"url": f"{self.base.replace('http', 'ws', 1)}/link/{self.name}?ticket={ticket}&app_id={APP}"}

    def api_chat_postMessage(self, args: Args) -> Json:
        channel, fields = self.channel(args), self.content(args)
        if not any(fields.get(name) for name in ("text", "blocks", "attachments")):
            raise SlackError("no_text")
        fields |= args.some("thread_ts") | {name: args.flag(name) for name in UNSHOWN if args.get(name) is not None}
        root = fields.get("thread_ts")
        if root and all(message["ts"] != root for message in self.messages[channel]):
            self.reject("chat.postMessage", f"thread_not_found, posted all the same: {root}")
        message = self.post(channel, fields)
        return {"channel": channel, "ts": message["ts"], "message": shown(message)}

    def api_chat_update(self, args: Args) -> Json:
        channel = self.channel(args)
        message = self.message(channel, args.text("ts", "message_not_found"))
        if message.get("bot_id") != BOT_ID:
            raise SlackError("cant_update_message")
        fields = self.content(args, MAX_UPDATE)
        if not fields:
            raise SlackError("no_text")
        if "text" in fields and "blocks" not in fields and not self.settings["keep_blocks"]:
            message.pop("blocks", None)
        message |= {"link_names": args.flag("link_names"), "edited": {"user": BOT, "ts": self.stamp()}, **fields}
        self.touch()
        return {"channel": channel, "ts": message["ts"], "text": message["text"], "message": shown(message)}

    def api_chat_postEphemeral(self, args: Args) -> Json:
        channel, fields, user = self.channel(args), self.content(args), args.text("user")
        if user not in self.users or self.channels[channel].get("user", user) != user:
            raise SlackError("user_not_in_channel")
        if not fields:
            raise SlackError("no_text")
        return {"message_ts": self.whisper(channel, user, fields | args.some("thread_ts"))}

    def api_reactions_add(self, args: Args) -> Json:
        channel, name = self.channel(args), args.text("name", "invalid_name").strip(":")
        reaction = {"channel": channel, "ts": args.text("timestamp", "no_item_specified"), "name": name}
        self.message(channel, reaction["ts"])
        if reaction in self.reactions:
            raise SlackError("already_reacted")
        self.reactions.append(reaction)
        self.touch()
        return {}

    def page(self, channel: str, messages: list[Json], args: Args, root: Optional[Json] = None) -> Json:
        """A page of messages between two times; the cursor is how many came before it."""
        oldest, latest = args.number("oldest", 0), args.number("latest", float("inf"))
        edge = (oldest, latest) if args.flag("inclusive") else ()
        found = [m for m in messages if m is root or oldest < float(m["ts"]) < latest or float(m["ts"]) in edge]
        start, limit = int(args.number("cursor", 0)), int(args.number("limit", 100))
        if not 0 < limit < 1000:
            raise SlackError("invalid_limit")
        more = len(found) > start + limit
        metadata = args.flag("include_all_metadata")
        return {"messages": [shown(m, self.replies_to(channel, m["ts"]), metadata) for m in found[start:start + limit]],
                "has_more": more, "response_metadata": {"next_cursor": str(start + limit) if more else ""}}

    def api_conversations_history(self, args: Args) -> Json:
        channel = self.channel(args)
        roots = [m for m in reversed(self.messages[channel]) if m.get("thread_ts") in (None, m["ts"])]
        return self.page(channel, roots, args)

    def api_conversations_replies(self, args: Args) -> Json:
        channel = self.channel(args)
        try:
            named = self.message(channel, args.text("ts", "thread_not_found"))
            root = self.message(channel, str(named.get("thread_ts", named["ts"])))
        except SlackError:
            raise SlackError("thread_not_found") from None
        return self.page(channel, [root, *self.replies_to(channel, root["ts"])], args, root)

    def api_conversations_info(self, args: Args) -> Json:
        channel = self.channel(args, joined=False)
        known, direct = self.channels[channel], channel.startswith("D")
        kind = {"is_im": True, "user": known["user"]} if direct else {
            "is_im": False, "is_channel": True, "name": known["name"], "is_member": known["member"]}
        return {"channel": {"id": channel, "created": 1_700_000_000, "is_archived": False, "is_private": direct,
                            "context_team_id": self.team, **kind}}

    def api_conversations_members(self, args: Args) -> Json:
        known = self.channels[self.channel(args, joined=False)]
        people = {known["user"], BOT} if "user" in known else self.users - ({BOT} if not known["member"] else set())
        return {"members": sorted(people), "response_metadata": {"next_cursor": ""}}

    def api_users_info(self, args: Args) -> Json:
        user = args.text("user", "user_not_found")
        if user not in self.users:
            raise SlackError("user_not_found")
        name = self.settings["named"].get(user) or user_name(user)
        return {"user": {"id": user, "team_id": self.team, "name": name, "real_name": name.title(), "deleted": False,
                         "is_bot": user == BOT, "tz": "Europe/Berlin", "tz_offset": 3600,
                         "profile": {"display_name": name, "real_name": name.title()}}}

    def api_files_getUploadURLExternal(self, args: Args) -> Json:
        name, size, key = args.text("filename"), int(args.number("length", 0)), fresh("F")
        if size <= 0:
            raise SlackError("missing_argument", "missing required field: length")
        alt_txt = args.some("alt_txt").get("alt_txt")
        if len(alt_txt or "") > 1000:
            raise SlackError("alt_txt_too_large")
        self.files[key] = {"id": key, "name": name, "alt_txt": alt_txt, "title": name, "size": size, "sha256": None,
                           "mimetype": mimetypes.guess_type(name)[0] or "application/octet-stream",
                           "completed": False, "ready_at": 0.0}
        return {"upload_url": f"{self.base}/upload/{self.name}/{key}", "file_id": key}

    def api_files_completeUploadExternal(self, args: Args) -> Json:
        given = args.structure("files", list)
        if not given or not all(isinstance(entry, dict) for entry in given):
            raise SlackError("invalid_arguments", "must be a list of objects [json-pointer:/files]")
        channel = self.channel(args, "channel_id") if args.get("channel_id") else None
        found = [self.files.get(str(entry.get("id")), {}) for entry in given]
        if not all(file.get("sha256") for file in found):
            raise SlackError("file_not_found")
        for file, entry in zip(found, given):
            file.update(completed=True, title=entry.get("title") or file["name"],
                        ready_at=time.monotonic() + self.settings["file_delay"])
        answers = [self.file_answer(file) for file in found]
        if channel:
            text = args.some("initial_comment").get("initial_comment", "")
            self.post(channel, {"text": text, "files": answers, "upload": True, **args.some("thread_ts")})
        self.touch()
        return {"files": answers}

    def api_files_info(self, args: Args) -> Json:
        file = self.files.get(args.text("file", "file_not_found"))
        if not file or not file["completed"]:
            raise SlackError("file_not_found")
        return {"file": self.file_answer(file)}

    def api_views_open(self, args: Args) -> Json:
        trigger, view = args.text("trigger_id"), self.view(args, "modal", fresh("V"))
        until = self.triggers.get(trigger)
        if until is None:
            raise SlackError("invalid_trigger_id")
        if time.monotonic() > until:
            raise SlackError("expired_trigger_id" if until else "exchanged_trigger_id")
        self.triggers[trigger] = 0
        self.views.append(view)
        self.touch()
        return {"view": view}

    def api_views_update(self, args: Args) -> Json:
        name = args.some("view_id").get("view_id") or args.text("external_id")
        for view in self.views:
            if name in (view["id"], view["external_id"]):
                return self.replace_view(view, args, "modal")
        raise SlackError("not_found")

    def api_views_publish(self, args: Args) -> Json:
        user = args.text("user_id")
        if user not in self.users:
            raise SlackError("user_not_found")
        return self.replace_view(self.home.setdefault(user, {}), args, "home")

    def replace_view(self, old: Json, args: Args, kind: str) -> Json:
        if args.get("hash") and old and args["hash"] != old["hash"]:
            raise SlackError("hash_conflict")
        old |= self.view(args, kind, old.get("id", fresh("V")))
        self.touch()
        return {"view": old}


class SocketMode(WebApi):
    """Envelopes, their acknowledgements, and what those ask for."""

    def dispatch(self, kind: str, payload: Json, context: Json = {}) -> str:
        """Puts an envelope on its way and answers its id."""
        key = str(uuid.uuid4())
        self.parcels[key] = Parcel({"envelope_id": key, "type": kind, "payload": payload,
                                    "accepts_response_payload": kind != "events_api"}, context)
        self.start(self.deliver(self.parcels[key]))
        return key

    async def deliver(self, parcel: Parcel) -> None:
        again = parcel.envelope["type"] == "events_api"
        for attempt in range(MAX_RETRIES + 1 if again else 1):
            if again:
                parcel.envelope |= {"retry_attempt": attempt, "retry_reason": "timeout" if attempt else ""}
                while not self.links and not self.settings["ghosts"]:
                    await self.change.wait()
            link, parcel.sent = self.recipient(), time.monotonic()
            self.lost += link is None
            if link and not self.settings["mute"]:
                await self.put(link, parcel.envelope)
            if not again or await self.settled(parcel, link):
                return

    def recipient(self) -> Optional[Link]:
        """One of the open connections, or none: another process has taken the envelope, or nobody is there."""
        if random.random() * (self.settings["ghosts"] + len(self.links)) < self.settings["ghosts"]:
            return None
        staying = [link for link in self.links if not link.leaving] or self.links
        return random.choice(staying) if staying else None

    async def put(self, link: Link, envelope: Json) -> None:
        try:
            await link.socket.send_json(envelope)
        except (ConnectionError, RuntimeError):
            # It closes, which its reader notices.
            pass

    async def settled(self, parcel: Parcel, link: Optional[Link]) -> bool:
        """Whether the envelope was acknowledged before its time was up or its connection closed."""
        waits = [asyncio.ensure_future(event.wait()) for event in [parcel.acked] + ([link.closed] if link else [])]
        await asyncio.wait(waits, timeout=self.settings["redeliver_after"], return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        return parcel.acked.is_set()

    def acknowledge(self, text: str) -> None:
        try:
            ack = json.loads(text)
            parcel = self.parcels.pop(ack["envelope_id"])
        except (ValueError, TypeError, KeyError):
            return self.reject("socket", f"acknowledges nothing that is open: {text[:500]}")
        parcel.acked.set()
        ms, kind, payload = since(parcel.sent), parcel.envelope["type"], ack.get("payload")
        self.max_ack_ms = max(self.max_ack_ms, ms)
        if "flood" in parcel.context:
            return parcel.context["flood"].times.append(ms)
        self.acks.append({"envelope_id": ack["envelope_id"], "type": kind, "ms": ms, "payload": payload,
                          "retry_attempt": parcel.envelope.get("retry_attempt")})
        if payload and kind == "events_api":
            self.reject("socket", "a payload in the acknowledgement of an event")
        self.settle(parcel.context, payload)

    def settle(self, context: Json, answer: Any) -> None:
        """Does what the answer to a command or to a submitted view asks for."""
        try:
            if answer and not isinstance(answer, dict):
                raise SlackError("invalid_arguments", "the answer must be an object")
            if "command" in context and answer:
                self.respond(context, Args(answer))
            elif "view" in context:
                self.follow_submission(context["view"], Args(answer or {}))
        except SlackError as error:
            self.reject("answer", error)
        self.touch()

    def follow_submission(self, view: Json, answer: Args) -> None:
        action = answer.get("response_action")
        if action == "errors":
            errors, inputs = answer.get("errors"), [b["block_id"] for b in view["blocks"] if b["type"] == "input"]
            if not isinstance(errors, dict) or not errors or not set(errors) <= set(inputs):
                raise SlackError("invalid_arguments", f"errors must name inputs of {inputs}")
            view["errors"] = errors
        elif action == "update":
            view |= self.view(answer, "modal", view["id"])
        elif action == "push":
            self.views.append(self.view(answer, "modal", fresh("V")) | {"root_view_id": view["root_view_id"]})
        else:
            view["closed"] = True

    def respond(self, target: Json, args: Args) -> None:
        """A message in answer to a command or by a response_url."""
        old = target.get("message")
        if args.flag("delete_original") and old:
            for kept in (self.messages[target["channel"]], self.ephemerals):
                kept[:] = [message for message in kept if message is not old]
            return
        fields = self.content(args)
        if not fields:
            raise SlackError("no_text")
        if args.flag("replace_original") and old:
            for name in ("blocks", "attachments"):
                old.pop(name, None)
            old |= {"text": "", "edited": {"user": BOT, "ts": self.stamp()}, **fields}
        elif args.get("response_type") == "in_channel":
            self.post(target["channel"], fields | args.some("thread_ts"))
        else:
            self.whisper(target["channel"], target["user"], fields | args.some("thread_ts"))

    async def serve_link(self, link: Link) -> None:
        if len(self.links) == MAX_LINKS:
            return await self.part(link, "too_many_websockets", 0)
        await self.put(link, {
            "type": "hello", "num_connections": len(self.links) + 1 + self.settings["ghosts"],
            "debug_info": {**HOST, "approximate_connection_time": 18060}, "connection_info": {"app_id": APP}})
        # Only now: no envelope may come before the hello.
        self.links.append(link)
        self.start(self.ping(link))
        self.touch()
        try:
            async for message in link.socket:
                if message.type is WSMsgType.TEXT:
                    self.acknowledge(message.data)
                elif message.type is WSMsgType.PING and not self.settings["mute"]:
                    await link.socket.pong(message.data)
        except ConnectionError:
            pass
        finally:
            self.links.remove(link)
            link.closed.set()
            self.touch()

    async def ping(self, link: Link) -> None:
        """Slack pings on its own: a client may take silence for a dead connection."""
        while not link.closed.is_set():
            await asyncio.sleep(self.settings["ping_every"] or 1)
            if self.settings["ping_every"] and not self.settings["mute"]:
                try:
                    await link.socket.ping(b"Ping from double")
                except (ConnectionError, RuntimeError):
                    return

    async def part(self, link: Link, reason: str, close_after: float) -> None:
        link.leaving = reason != "warning"
        await self.put(link, {"type": "disconnect", "reason": reason, "debug_info": HOST})
        await asyncio.sleep(close_after)
        await link.socket.close()


class Workspace(SocketMode):
    """What a test does to the bot: `do_` and the name of the control action."""

    def post(self, channel: str, fields: Json) -> Json:
        message = super().post(channel, fields)
        if self.settings["echo"]:
            self.dispatch("events_api", self.event({**shown(message), "channel": channel, "event_ts": message["ts"],
                                                    "channel_type": channel_type(channel)}))
        return message

    async def send(self, kind: str, payload: Json, spec: Json, context: Json = {}) -> Json:
        via, copies = spec.get("via", "socket"), int(spec.get("copies", 1))
        if via == "socket":
            return {"envelopes": [self.dispatch(kind, payload, context) for _ in range(copies)]}
        posts = [self.post_signed(kind, payload, via, context) for _ in range(copies)]
        return {"responses": list(await asyncio.gather(*posts))}

    async def post_signed(self, kind: str, payload: Json, via: Json, context: Json) -> Json:
        is_event, stamp, started = kind == "events_api", str(int(time.time()) - via.get("age", 0)), time.monotonic()
        form = payload if kind == "slash_commands" else {"payload": json.dumps(payload)}
        body = json.dumps(payload) if is_event else urlencode(form)
        signature = SignatureVerifier(via.get("secret", f"secret-{self.name}")).generate_signature(
            timestamp=stamp, body=body)
        body, stamp, signature = tampered(via.get("tamper"), body, stamp, signature or "")
        headers = {"Content-Type": "application/json" if is_event else "application/x-www-form-urlencoded",
                   "X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signature}
        if "retry" in via:
            headers |= {"X-Slack-Retry-Num": str(via["retry"]["num"]),
                        "X-Slack-Retry-Reason": via["retry"].get("reason", "http_timeout")}
        try:
            async with ClientSession(timeout=ClientTimeout(via.get("timeout", 10))) as session:
                async with session.post(via["url"], data=body.encode(), headers=headers) as response:
                    status, answer = response.status, await response.text()
        except (ClientError, asyncio.TimeoutError) as error:
            return {"status": 0, "error": repr(error), "ms": since(started)}
        if status == 200 and not is_event:
            self.settle(context, self.plain_or_json(answer))
        return {"status": status, "body": answer, "ms": since(started)}

    def plain_or_json(self, answer: str) -> Json:
        try:
            return json.loads(answer) if answer.startswith("{") else {"text": answer} if answer else {}
        except ValueError as error:
            self.reject("answer", f"{error}: {answer[:500]}")
            return {}

    def event(self, inner: Json, shared: bool = False) -> Json:
        return {"token": "verification-token", "team_id": self.team, "context_team_id": self.team, "api_app_id": APP,
                "event": inner, "type": "event_callback", "event_id": fresh("Ev"), "event_time": int(time.time()),
                "is_ext_shared_channel": shared, "event_context": uuid.uuid4().hex,
                "authorizations": [{"enterprise_id": None, "team_id": self.team, "user_id": BOT, "is_bot": True,
                                    "is_enterprise_install": False}]}

    def interaction(self, kind: str, user: str) -> Json:
        name = user_name(user)
        return {"type": kind, "api_app_id": APP, "token": "verification-token", "trigger_id": self.trigger(),
                "team": {"id": self.team, "domain": self.name}, "enterprise": None, "is_enterprise_install": False,
                "user": {"id": user, "username": name, "name": name, "team_id": self.team}}

    def speak(self, spec: Json) -> tuple[str, list[Json]]:
        """Stores what somebody says and answers its time and the payloads of its events."""
        channel, text, ts = spec["channel"], spec["text"], self.stamp()
        if channel not in self.channels:
            raise Refused(f"no channel {channel}")
        said = {"type": "message", "text": text, "ts": ts, "team": spec.get("team", self.team),
                "client_msg_id": str(uuid.uuid4())}
        said |= {name: spec[name] for name in ("user", "thread_ts", "subtype", "bot_id") if spec.get(name)}
        if "team" in spec:
            said |= {"user_team": spec["team"], "source_team": spec["team"]}
        self.messages[channel].append(said)
        self.touch()
        kind, inner = spec.get("channel_type", channel_type(channel)), {**said, "channel": channel, "event_ts": ts}
        payloads = [self.event({**inner, "channel_type": kind}, "team" in spec)]
        if spec.get("mention", f"<@{BOT}>" in text and kind != "im"):
            payloads.append(self.event({**inner, "type": "app_mention"}, "team" in spec))
        return ts, payloads

    def holder(self, spec: Json) -> Json:
        """The message or view that a person acts in."""
        if spec.get("home"):
            found = [self.home[spec["user"]]] if spec["user"] in self.home else []
        elif "view_id" in spec:
            found = [view for view in self.views if view["id"] == spec["view_id"]]
        else:
            kept = self.ephemerals if spec.get("ephemeral") else self.messages[spec["channel"]]
            found = [message for message in kept if message["ts"] == spec["ts"]]
        if not found:
            raise Refused("no such message or view")
        return found[0]

    def find(self, held: Json, kind: str, spec: Json) -> tuple[Json, Json, Optional[int]]:
        """The element with the asked text or action_id, its block, and the attachment it is in."""
        places = [(block, None) for block in held.get("blocks", [])]
        places += [(block, a["id"]) for a in held.get("attachments", []) for block in a.get("blocks", [])]
        label = "text" if kind == "button" else "placeholder"
        wanted = spec.get("label") or spec.get("placeholder")
        for block, attachment in places:
            for element in (element for element in elements(block) if element["type"] == kind):
                if element["action_id"] == spec.get("action_id") or wanted and wanted == element[label]["text"]:
                    return element, block, attachment
        raise Refused(f"no such {kind}")

    async def act(self, spec: Json, held: Json, found: tuple[Json, Json, Optional[int]], more: Json) -> Json:
        """Sends the block_actions of a pressed button or of a choice."""
        element, block, attachment = found
        action = {"type": element["type"], "action_id": element["action_id"], "block_id": block["block_id"],
                  "action_ts": self.stamp(), **more}
        value = {element["action_id"]: {"type": element["type"], **more}} if "selected_option" in more else {}
        payload = self.interaction("block_actions", spec["user"]) | {
            "actions": [action], "state": {"values": {block["block_id"]: value} if value else {}}}
        if "ts" in held:
            payload |= self.message_origin(spec, held, attachment)
        else:
            payload |= {"view": held, "container": {"type": "view", "view_id": held["id"]}}
        return await self.send("interactive", payload, spec)

    def message_origin(self, spec: Json, held: Json, attachment: Optional[int]) -> Json:
        channel, ephemeral = spec["channel"], bool(spec.get("ephemeral"))
        container = {"type": "message", "message_ts": held["ts"], "channel_id": channel, "is_ephemeral": ephemeral}
        if attachment:
            container |= {"type": "message_attachment", "attachment_id": attachment, "is_app_unfurl": False}
        if "thread_ts" in held:
            container["thread_ts"] = held["thread_ts"]
        target = {"channel": channel, "user": spec["user"], "message": held}
        # Of an ephemeral message Slack tells no more than where it is.
        return {"container": container, "channel": {"id": channel, "name": self.channels[channel]["name"]},
                "response_url": self.response_url(target), **({} if ephemeral else {"message": shown(held)})}

    async def do_message(self, spec: Json) -> Json:
        ts, payloads = self.speak(spec)
        answers = await asyncio.gather(*(self.send("events_api", payload, spec) for payload in payloads))
        return {"ts": ts, **{name: sum((answer[name] for answer in answers), []) for name in answers[0]}}

    async def do_edit(self, spec: Json) -> Json:
        said, now = self.holder(spec), self.stamp()
        before = shown(said)
        said |= {"text": spec["text"], "edited": {"user": spec["user"], "ts": now}}
        self.touch()
        return await self.send("events_api", self.event({
            "type": "message", "subtype": "message_changed", "channel": spec["channel"], "hidden": True, "ts": now,
            "event_ts": now, "channel_type": channel_type(spec["channel"]), "message": shown(said),
            "previous_message": before}), spec)

    async def do_command(self, spec: Json) -> Json:
        channel, user = spec["channel"], spec["user"]
        target = {"channel": channel, "user": user, "command": spec["command"]}
        return await self.send("slash_commands", {
            "token": "verification-token", "team_id": self.team, "team_domain": self.name, "channel_id": channel,
            "channel_name": self.channels[channel]["name"], "user_id": user, "user_name": user_name(user),
            "command": spec["command"], "text": spec.get("text", ""), "api_app_id": APP,
            "is_enterprise_install": "false", "response_url": self.response_url(target),
            "trigger_id": self.trigger()}, spec, target)

    async def do_press(self, spec: Json) -> Json:
        held = self.holder(spec)
        found = self.find(held, "button", spec)
        more: Json = {name: found[0][name] for name in ("text", "value") if name in found[0]}
        return await self.act(spec, held, found, more)

    async def do_choose(self, spec: Json) -> Json:
        held = self.holder(spec)
        found = self.find(held, "static_select", spec)
        for option in options(found[0]):
            if spec["option"] in (option["text"]["text"], option["value"]):
                return await self.act(spec, held, found, {"selected_option": option})
        raise Refused("no such option")

    async def do_submit(self, spec: Json) -> Json:
        found = [view for view in self.views if spec.get("view_id", view["id"]) == view["id"] and "closed" not in view]
        if not found:
            raise Refused("no such view is open")
        view, given = found[-1], dict(spec.get("values", {}))
        values: Json = {}
        for block in (block for block in view["blocks"] if block["type"] == "input"):
            element = block["element"]
            name = next((n for n in (block["block_id"], element["action_id"], "") if n in given), None)
            values[block["block_id"]] = {element["action_id"]: self.filled(element, given.pop(name, None))}
        if given:
            raise Refused(f"no inputs {sorted(given)}")
        view["state"] = {"values": values}
        payload = self.interaction("view_submission", spec["user"]) | {"view": view, "response_urls": []}
        return await self.send("interactive", payload, spec, {"view": view})

    @staticmethod
    def filled(element: Json, given: Optional[str]) -> Json:
        """An input with what was given, or with what it began with."""
        if element["type"] != "static_select":
            return {"type": element["type"], "value": given if given is not None else element.get("initial_value")}
        chosen = [option for option in options(element) if given in (option["text"]["text"], option["value"])]
        return {"type": element["type"], "selected_option": chosen[0] if chosen else element.get("initial_option")}

    async def do_home(self, spec: Json) -> Json:
        user = spec["user"]
        inner = {"type": "app_home_opened", "user": user, "channel": "D" + user[1:], "tab": "home",
                 "event_ts": self.stamp(), **({"view": self.home[user]} if user in self.home else {})}
        return await self.send("events_api", self.event(inner), spec)

    async def do_event(self, spec: Json) -> Json:
        return await self.send("events_api", spec["payload"], spec)

    async def do_envelope(self, spec: Json) -> Json:
        return await self.send(spec["type"], spec["payload"], spec)

    async def do_disconnect(self, spec: Json) -> Json:
        reason, links = spec.get("reason", "refresh_requested"), self.links[:None if spec.get("all") else 1]
        for link in links:
            self.start(self.part(link, reason, spec.get("close_after", 10 if reason == "warning" else 0.5)))
        return {"connections": len(links)}

    async def do_drop(self, spec: Json) -> Json:
        for link in self.links:
            link.transport.abort()
        return {"connections": len(self.links)}

    async def do_fault(self, spec: Json) -> Json:
        if spec["kind"] not in FAULTS:
            raise Refused(f"no fault {spec['kind']}", 400)
        self.faults.append({"times": 1, **spec, "method": spec["method"]})
        return {}

    async def do_set(self, spec: Json) -> Json:
        for channel, member in spec.pop("member", {}).items():
            self.channels.setdefault(channel, {"name": channel.lower()})["member"] = member
        unknown = sorted(spec.keys() - self.settings.keys())
        if unknown:
            raise Refused(f"no settings {unknown}", 400)
        self.settings |= spec
        self.touch()
        return {"settings": self.settings}

    async def do_flood(self, spec: Json) -> Json:
        self.flood = Flood()
        self.start(self.pour(self.flood, int(spec["events"]), float(spec["per_second"]), spec))
        return {"id": str(id(self.flood))}

    async def pour(self, flood: Flood, events: int, per_second: float, spec: Json) -> None:
        begun = time.monotonic()
        for number in range(events):
            await asyncio.sleep(max(0.0, begun + number / per_second - time.monotonic()))
            user = f"U{number % int(spec.get('users', 1)) + 1}"
            self.add_user(user)
            said = {"channel": spec.get("channel", "D" + user[1:]), "user": user, "text": spec["text"]}
            for payload in self.speak(said)[1]:
                self.dispatch("events_api", payload, {"flood": flood})
                flood.sent += 1
        flood.poured = True

    def state(self) -> Json:
        unacked = [{"envelope_id": key, "type": parcel.envelope["type"], "ms": since(parcel.sent),
                    "retry_attempt": parcel.envelope.get("retry_attempt")} for key, parcel in self.parcels.items()]
        messages = {channel: self.messages[channel] for channel in self.channels}
        return {"ok": True, "messages": messages, "ephemerals": self.ephemerals, "reactions": self.reactions,
                "files": self.files, "views": self.views, "home": self.home, "calls": self.calls,
                "rejected": self.rejected, "connections": len(self.links), "acks": self.acks, "lost": self.lost,
                "unacked": unacked, "max_ack_ms": self.max_ack_ms}

    def holds(self, asked: dict[str, str]) -> bool:
        """Whether everything is there that somebody waits for."""
        channels = [asked["channel"]] if "channel" in asked else list(self.messages)
        current = [message for channel in channels for message in self.messages[channel]]
        counts = {"messages": sum(message.get("bot_id") == BOT_ID for message in current), "views": len(self.views),
                  "errors": sum("errors" in view for view in self.views),
                  "closed": sum("closed" in view for view in self.views),
                  "ephemerals": len(self.ephemerals), "acks": len(self.acks), "reactions": len(self.reactions)}
        if any(count < int(asked.get(name, 0)) for name, count in counts.items()):
            return False
        if int(asked.get("connections", len(self.links))) != len(self.links):
            return False
        if "home" in asked and not self.home.get(asked["home"]):
            return False
        return "text" not in asked or any(asked["text"] in json.dumps(
            [message.get(name) for name in ("text", "blocks", "attachments")], ensure_ascii=False)
            for message in current)

    async def wait(self, asked: dict[str, str]) -> bool:
        until = time.monotonic() + float(asked.get("timeout", 10))
        while not self.holds(asked):
            try:
                await asyncio.wait_for(self.change.wait(), until - time.monotonic())
            except asyncio.TimeoutError:
                return self.holds(asked)
        return True

    def take_fault(self, method: str) -> Json:
        for fault in self.faults:
            if fault["method"] == method or (fault["method"] == "*" and "." in method):
                fault["times"] -= 1
                if fault["times"] <= 0:
                    self.faults.remove(fault)
                return fault
        return {"kind": ""}


class Double:
    """The HTTP server, with all workspaces."""

    def __init__(self) -> None:
        self.base = ""
        self.spaces: dict[str, Workspace] = {}

    def space(self, name: str) -> Workspace:
        if name not in self.spaces:
            self.spaces[name] = Workspace(name, self.base)
        return self.spaces[name]

    def app(self) -> web.Application:
        app = web.Application(client_max_size=1 << 28, middlewares=[self.guarded])
        app.add_routes([
            web.route("*", "/api/{method}", self.api), web.get("/link/{name}", self.link),
            web.post("/upload/{name}/{key}", self.upload), web.post("/response/{name}/{key}", self.response),
            web.get("/_double/{name}/{what:state|wait|flood}", self.look),
            web.post("/_double/{name}/{action}", self.do)])
        return app

    @web.middleware
    async def guarded(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Makes the faults that are due, and shows what went wrong in here."""
        part, _, rest = request.path[1:].partition("/")
        token = re.fullmatch(r"Bearer (xoxb|xapp)-([\w.-]+)", request.headers.get("Authorization", ""))
        name = (token[2] if token else None) if part == "api" else rest.partition("/")[0]
        method = {"api": rest, "link": "connect", "upload": "upload", "response": "response"}.get(part)
        try:
            if not method or not name:
                return await handler(request)
            space = self.space(name)
            space.calls[method] += 1
            if space.settings["paused"]:
                return web.Response(status=503, text="Service Unavailable")
            return await self.faulty(space, method, request, handler)
        except (web.HTTPException, asyncio.CancelledError):
            raise
        except Exception:
            logging.exception("%s %s failed", request.method, request.path)
            return web.json_response({"ok": False, "error": "internal_error"}, status=500)

    async def faulty(self, space: Workspace, method: str, request: web.Request, handler: Any) -> web.StreamResponse:
        fault = space.take_fault(method)
        kind = fault["kind"]
        if kind == "429":
            return web.json_response({"ok": False, "error": "ratelimited"}, status=429,
                                     headers={"Retry-After": str(fault.get("retry_after", 1))})
        if kind == "500":
            return web.Response(status=500, text="Internal Server Error")
        if kind == "html502":
            return web.Response(status=502, text="<html><h1>502 Bad Gateway</h1></html>", content_type="text/html")
        if kind == "error":
            return web.json_response({"ok": False, "error": fault.get("error", "internal_error")})
        if kind in ("hang", "delay"):
            await asyncio.sleep(fault.get("seconds", 3600 if kind == "hang" else 1))
        response = await handler(request) if kind not in ("hang", "drop_before") else web.Response()
        if kind == "half_body":
            return await self.half(request, response)
        if kind in ("hang", "drop_before", "drop_after") and request.transport:
            request.transport.abort()
        return response

    @staticmethod
    async def half(request: web.Request, whole: web.Response) -> web.StreamResponse:
        body = whole.body if isinstance(whole.body, bytes) else b""
        response = web.StreamResponse(status=whole.status, headers={"Content-Type": whole.content_type})
        response.content_length = len(body)
        await response.prepare(request)
        await response.write(body[:len(body) // 2])
        if request.transport:
            request.transport.close()
        return response

    async def api(self, request: web.Request) -> web.Response:
        method, headers = request.match_info["method"], {}
        space: Optional[Workspace] = None
        try:
            scheme, _, token = request.headers.get("Authorization", "").partition(" ")
            if scheme != "Bearer" or not token:
                raise SlackError("not_authed")
            known = re.fullmatch(r"(xoxb|xapp)-([\w.-]+)", token)
            if not known:
                raise SlackError("invalid_auth")
            space = self.space(known[2])
            headers = {"X-OAuth-Scopes": space.settings["scopes"]}
            if space.settings["revoked"]:
                raise SlackError("token_revoked")
            call = getattr(space, "api_" + method.replace(".", "_"), None)
            if not call:
                raise SlackError("unknown_method")
            if (known[1] == "xapp") != method.startswith("apps."):
                raise SlackError("not_allowed_token_type")
            return web.json_response({"ok": True, **call(await self.arguments(request))}, headers=headers)
        except SlackError as error:
            if space:
                space.reject(method, error)
            return web.json_response(error.body, headers=headers)

    @staticmethod
    async def arguments(request: web.Request) -> Args:
        args = Args(request.query)
        try:
            if request.content_type == "application/json":
                body = json.loads(await request.read() or b"{}")
            else:
                body = await request.post()
        except ValueError:
            raise SlackError("invalid_json" if request.content_type.endswith("json") else "invalid_form_data") from None
        if isinstance(body, list) or not hasattr(body, "items"):
            raise SlackError("json_not_object")
        args.update(body)
        return args

    async def upload(self, request: web.Request) -> web.Response:
        space, key = self.space(request.match_info["name"]), request.match_info["key"]
        if request.content_type.startswith("multipart/"):
            parts = [part.file.read() for part in (await request.post()).values() if isinstance(part, web.FileField)]
            body = parts[0] if parts else b""
        else:
            body = await request.read()
        file = space.files.get(key)
        if not file or file["size"] != len(body):
            space.reject("upload", f"{len(body)} bytes for {file or key}")
            return web.Response(status=400, text="Bad Request")
        file["sha256"] = hashlib.sha256(body).hexdigest()
        return web.Response(text=f"OK - {len(body)}")

    async def response(self, request: web.Request) -> web.Response:
        space = self.space(request.match_info["name"])
        target = space.responses.get(request.match_info["key"])
        try:
            if not target or time.monotonic() > target["until"]:
                raise SlackError("expired_url")
            if target["uses"] == RESPONSE_USES:
                raise SlackError("used_url")
            target["uses"] += 1
            space.respond(target, await self.arguments(request))
            return web.Response(text="ok")
        except SlackError as error:
            space.reject("response", error)
            return web.json_response(error.body, status=404 if error.body["error"].endswith("_url") else 400)

    async def link(self, request: web.Request) -> web.StreamResponse:
        space, ticket = self.space(request.match_info["name"]), request.query.get("ticket")
        if ticket not in space.tickets:
            space.reject("connect", "no such ticket, or used before")
            return web.Response(status=403)
        space.tickets.remove(ticket)
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        await space.serve_link(Link(socket, request.transport))
        return socket

    async def look(self, request: web.Request) -> web.Response:
        space, what = self.space(request.match_info["name"]), request.match_info["what"]
        if what == "flood":
            return web.json_response({"ok": True, **space.flood.state()})
        try:
            held = what == "state" or await space.wait(dict(request.query))
        except ValueError as error:
            return web.json_response({"ok": False, "error": str(error)}, status=400)
        return web.json_response(space.state() | {"ok": held}, status=200 if held else 408)

    async def do(self, request: web.Request) -> web.Response:
        space, action = self.space(request.match_info["name"]), request.match_info["action"]
        try:
            spec, work = json.loads(await request.read() or b"{}"), getattr(space, f"do_{action}", None)
            if not work:
                raise Refused(f"no action {action}")
            return web.json_response({"ok": True, **await work(spec)})
        except Refused as why:
            return web.json_response({"ok": False, "error": str(why)}, status=why.status)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            logging.warning("control request %s of %s", action, space.name, exc_info=True)
            return web.json_response({"ok": False, "error": repr(error)}, status=400)


async def serve(port: int, ready: str) -> None:
    double = Double()
    runner = web.AppRunner(double.app(), access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    double.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    with open(f"{ready}.new", "w", encoding="utf-8") as file:
        file.write(double.base)
    os.replace(f"{ready}.new", ready)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    for link in [link for space in double.spaces.values() for link in space.links]:
        link.transport.abort()
    await runner.cleanup()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A test double of Slack.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--ready", required=True, help="file for the base URL")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="slack double: %(message)s")
    # Of what it does not know, the models keep nothing, which is reported to who sent it.
    logging.getLogger("slack_sdk").setLevel(logging.ERROR)
    asyncio.run(serve(arguments.port, arguments.ready))
