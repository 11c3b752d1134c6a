#!/usr/bin/env python3
"""A test double of Discord: its REST API (v10) and its gateway (v10, JSON), on the loopback interface.

    discord.py [--port N] --ready FILE [--openapi FILE]        needs aiohttp, and jsonschema for --openapi

FILE gets the base URL once the double listens; it runs until SIGTERM. One process serves many independent worlds:
NAME comes into being with the first use of the bot token `NAME.double.token` or of a control path with NAME. A world
is one guild with the text channels C1 and C2, C9 which the bot cannot see, the members U1..U5 with the direct messages
D1..D5, and the roles `ops` and `self`, the bot's own. Everything has a snowflake, listed both ways in `ids` of the state: those of GUILD and APP
depend on NAME, the others (BOT too) are the same everywhere. Threads are T1, T2, … as they come. Control takes short
names and snowflakes alike, and U1 for D1. Requests are judged by the documented limits and, with --openapi (Discord's
own description of its API, specs/openapi.json of github.com/discord/discord-api-spec, packed by gzip), by its schemas too; what was
turned down, and why, is in `rejected`. What only a schema dislikes is carried out all the same.

Control, JSON in and out, POST /_double/NAME/ACTION ({"ok": false, "error": …} and HTTP 4xx when refused):

    message     channel or thread, user, text (`<@BOT>`, `<@U2>`, `<@&ops>` become mentions), reply_to?, ping? (false:
                a reply without mention), bot?, webhook?, copies? (the event so often)          → id
    edit        channel, id, text                                                               → MESSAGE_UPDATE
    delete      channel, id                                                                     → MESSAGE_DELETE
    command     channel, user, name, options [{name, type?, value?, options?}], unregistered? (true: not refused
                when the bot has no such command)                                               → interaction
    autocomplete  the same, with `focused`: true in one option                                  → interaction
    press       channel, id, user, label or custom_id of a button                               → interaction
    choose      channel, id, user, placeholder or custom_id of a select, option (label or value, or a list)
    submit      user, values {custom_id, label or "": text}, custom_id? (else the modal shown last to that user)
    react       channel, id, user, emoji                                                        → MESSAGE_REACTION_ADD
    thread      channel, id? (the message it starts from), name, user?                          → id, thread
    reconnect   op 7 to every session            invalid   resumable? (false): op 9
    close       code; 4004, 4006, 4007, 4009 to 4014 end the sessions, after any other they can be resumed
    drop        aborts the connections
    mute_acks   on (true): heartbeats stay unanswered
    fault       route (a part of "METHOD /path", with ids or as in `calls`; "*"; "/gw" for the upgrade), times?,
                seconds?, retry_after?, global?, kind: 429 | 500 | html502 | drop_before | drop_after | half_body |
                hang | delay. drop_after and half_body do the work; "/gw" knows only what comes before the work
    set         token_revoked (401, close code 4004), unauthorized (401 only), content_intent_allowed (false: 4014),
                interaction_life (900), answer_within (3), nonce_life (300), session_life (180: how long a session
                can be resumed), heartbeat_interval (41250), echo (false: the bot does not get its own messages and
                reactions back), dms_closed [users], left [users who are not on the server], named {user: what
                they call themselves on the server}, member {channel: bool} (an unknown channel is made), base (the
                URL that the bot is told to use, as of a proxy), permissions (of the bot on the server)
    flood       events, per_second, users, text, channel? (else direct messages)

    GET flood   sent, done, replies (messages of the bot since its beginning)
    GET state   ids, messages {channel: [...]}, deleted, threads, commands {global, guild}, interactions, reactions,
                sessions, identifies, resumes, heartbeats, calls, invalid_requests, rejected, typing, files, closes
    GET wait    the state as soon as all of these hold, HTTP 408 with the state after `timeout` (10 s): messages (at
                least so many of the bot that do not show as loading, in `channel` or anywhere), text (in content,
                embeds, components or attachments there, as JSON), thread (under this message), faults (at most so
                many are still to come), interactions (at least so many answered), reactions (of the bot), commands,
                typing, identifies, resumes, heartbeats (at least), sessions (exactly so many connected)
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import copy
import gzip
import hashlib
import json
import logging
import math
import mimetypes
import os
import re
import signal
import struct
import time
import uuid
import zlib
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Callable, Coroutine, Iterator, Optional

from aiohttp import WSMsgType, web

Json = dict[str, Any]
PERMISSIONS, VIEW_CHANNEL = str((1 << 50) - 1 & ~(1 << 3)), str(1 << 10)
SETTINGS: Json = {
    "token_revoked": False, "unauthorized": False, "content_intent_allowed": True, "interaction_life": 900,
    "answer_within": 3, "nonce_life": 300, "session_life": 180, "heartbeat_interval": 41250, "mute_acks": False,
    "echo": True, "dms_closed": [], "left": [], "named": {}, "base": "",
    "permissions": PERMISSIONS}
FAULTS = ("429", "500", "html502", "drop_before", "drop_after", "half_body", "hang", "delay")
TOKEN = re.compile(r"(?:Bot )?([\w-]+)\.double\.token")
EPOCH, BASE = 1_420_070_400_000, 1_100_000_000_000_000_000
GUILDS, GUILD_MESSAGES, GUILD_REACTIONS, DIRECT_MESSAGES, DIRECT_REACTIONS, MESSAGE_CONTENT = (
    1 << bit for bit in (0, 9, 10, 12, 13, 15))
INTENTS = sum(1 << bit for bit in (*range(17), 20, 21, 24, 25))
SUPPRESS_EMBEDS, HAS_THREAD, EPHEMERAL, LOADING, SILENT, VOICE, V2 = (1 << bit for bit in (2, 5, 6, 7, 12, 13, 15))
ENDING = (4004, 4006, 4007, *range(4009, 4015))
MAX_FILE, REPLAY = 10 << 20, 10_000
COMMAND_NAME = re.compile(r"[-_'\w]{1,32}")
KINDS = {2: "command", 3: "component", 4: "autocomplete", 5: "modal"}
ANSWERS = {2: (4, 5, 9), 3: (4, 5, 6, 7, 9), 4: (8,), 5: (4, 5)}
BUTTON, SELECT, INPUT, LABEL = 2, 3, 4, 18


class ApiError(Exception):
    """An error answer of the REST API."""

    def __init__(self, status: int, code: int, message: str, errors: Optional[Json] = None) -> None:
        super().__init__(message)
        self.status, self.body = status, {"message": message, "code": code} | ({"errors": errors} if errors else {})


class Refused(Exception):
    """A control request that cannot be done."""

    def __init__(self, why: str, status: int = 404) -> None:
        super().__init__(why)
        self.status = status


@dataclass
class Route:
    method: str
    template: str
    pattern: re.Pattern
    handler: str
    bot: bool


@dataclass
class Call:
    """A request of the bot."""

    query: dict[str, str]
    body: Any
    files: dict[str, tuple[str, str, bytes]]

    def number(self, name: str, default: int, most: int) -> int:
        try:
            value = int(self.query.get(name, default))
        except ValueError:
            value = 0
        check = Check()
        if not 1 <= value <= most:
            check.fault([name], "NUMBER_TYPE_MAX", f"int value should be between 1 and {most}.")
        check.done()
        return value


@dataclass(eq=False)
class Link:
    """An open gateway connection; what is put is sent in order, a number is a close code."""

    socket: web.WebSocketResponse
    transport: Any
    stream: Any
    squeeze: bool = False
    closing: Optional[int] = None
    session: Optional[Session] = None
    out: asyncio.Queue = field(default_factory=asyncio.Queue)

    def put(self, item: Json | int) -> None:
        self.out.put_nowait(item)

    async def write(self) -> None:
        try:
            while not isinstance(item := await self.out.get(), int):
                text = json.dumps(item, separators=(",", ":"), ensure_ascii=False)
                if self.stream:
                    body = self.stream.compress(text.encode()) + self.stream.flush(zlib.Z_SYNC_FLUSH)
                    await self.socket.send_bytes(body)
                elif self.squeeze and len(text) > 1024:
                    await self.socket.send_bytes(zlib.compress(text.encode()))
                else:
                    await self.socket.send_str(text)
            self.closing = item
            await self.socket.close(code=item)
        except (ConnectionError, RuntimeError):
            # It closes, which its reader notices.
            pass


@dataclass(eq=False)
class Session:
    intents: int
    shard: Optional[list[int]]
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    seq: int = 0
    sent: deque = field(default_factory=lambda: deque(maxlen=REPLAY))
    link: Optional[Link] = None
    left: float = 0.0

    def dispatch(self, event: str, data: Any) -> None:
        self.seq += 1
        self.sent.append({"op": 0, "s": self.seq, "t": event, "d": data})
        if self.link:
            self.link.put(self.sent[-1])


@dataclass
class Flood:
    before: int = 0
    sent: int = 0
    done: bool = False


ROUTES: list[Route] = []


def route(method: str, template: str, bot: bool = True) -> Callable:
    """Makes a method the handler of a route; without `bot` the token in the path is enough."""
    pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template))

    def register(function: Callable) -> Callable:
        ROUTES.append(Route(method, template, pattern, function.__name__, bot))
        return function
    return register


def since(moment: float) -> float:
    return round((time.monotonic() - moment) * 1000, 2)


def now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="microseconds")


def parts(components: list) -> Iterator[Json]:
    """The components inside the rows and labels of a message or modal."""
    for row in components:
        yield from row.get("components", [])
        if "component" in row:
            yield {"label": row.get("label"), **row["component"]}


def only(found: list, what: str) -> Any:
    if not found:
        raise Refused(f"no such {what}")
    return found[0]


def picture(body: bytes) -> Json:
    if body[:8] != b"\x89PNG\r\n\x1a\n" or len(body) < 24:
        return {}
    width, height = struct.unpack(">II", body[16:24])
    return {"width": width, "height": height}


class Check:
    """Collects what is wrong with a body, as the errors of an Invalid Form Body."""

    def __init__(self) -> None:
        self.errors: Json = {}

    def fault(self, path: list, code: str, message: str) -> None:
        place = self.errors
        for step in path:
            place = place.setdefault(str(step), {})
        place.setdefault("_errors", []).append({"code": code, "message": message})

    def done(self) -> None:
        if self.errors:
            raise ApiError(400, 50035, "Invalid Form Body", self.errors)

    def text(self, path: list, value: Any, most: int, least: int = 0) -> int:
        """The length of a text, 0 if it is none."""
        if value is None or value == "" and least:
            if least:
                self.fault(path, "BASE_TYPE_REQUIRED", "This field is required")
        elif not isinstance(value, str):
            self.fault(path, "STRING_TYPE_CONVERT", f'Could not interpret "{value}" as string.')
        elif len(value) > most:
            self.fault(path, "BASE_TYPE_MAX_LENGTH", f"Must be {most} or fewer in length.")
        return len(value) if isinstance(value, str) else 0

    def items(self, path: list, value: Any, most: int, least: int = 0) -> Iterator[tuple[list, Json]]:
        """The objects of a list, with their paths."""
        if value is None and not least:
            return
        if not isinstance(value, list):
            return self.fault(path, "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
        if not least <= len(value) <= most:
            self.fault(path, "BASE_TYPE_BAD_LENGTH", f"Must be between {least} and {most} in length.")
        for number, item in enumerate(value):
            if isinstance(item, dict):
                yield [*path, number], item
            else:
                self.fault([*path, number], "MODEL_TYPE_CONVERT", "Only dictionaries may be used in a ModelType")

    def embeds(self, path: list, embeds: Any) -> None:
        total = 0
        for where, embed in self.items(path, embeds, 10):
            total += self.text([*where, "title"], embed.get("title"), 256)
            total += self.text([*where, "description"], embed.get("description"), 4096)
            for name, key, most in (("footer", "text", 2048), ("author", "name", 256)):
                if embed.get(name):
                    total += self.text([*where, name, key], embed[name].get(key), most, 1)
            for at, item in self.items([*where, "fields"], embed.get("fields"), 25):
                total += self.text([*at, "name"], item.get("name"), 256, 1)
                total += self.text([*at, "value"], item.get("value"), 1024, 1)
            for name in ("url", "image", "thumbnail"):
                url = embed[name].get("url") if isinstance(embed.get(name), dict) else embed.get(name)
                if url and not re.match(r"https?://|attachment://" if name != "url" else r"https?://", url):
                    self.fault([*where, name], "URL_TYPE_INVALID_URL", "Not a well formed URL.")
            if not 0 <= (embed.get("color") or 0) <= 0xFFFFFF:
                self.fault([*where, "color"], "NUMBER_TYPE_MAX", "int value should be between 0 and 16777215.")
        if total > 6000:
            self.fault(path, "MAX_EMBED_SIZE_EXCEEDED", "Embed size exceeds maximum size of 6000")

    def components(self, path: list, rows: Any, modal: bool = False) -> None:
        seen: set[str] = set()
        for where, row in self.items(path, rows, 5, int(modal)):
            if modal and row.get("type") == LABEL and isinstance(row.get("component"), dict):
                self.text([*where, "label"], row.get("label"), 45, 1)
                self.component([*where, "component"], {"label": "-", **row["component"]}, modal, seen)
                continue
            if row.get("type") != 1:
                self.fault([*where, "type"], "BASE_TYPE_CHOICES", "Value must be one of (1,).")
            inside = list(self.items([*where, "components"], row.get("components"), 1 if modal else 5, 1))
            if len(inside) > 1 and any(item.get("type") != BUTTON for _, item in inside):
                self.fault([*where, "components"], "COMPONENT_LAYOUT_WIDTH_EXCEEDED", "The row is too wide.")
            for at, item in inside:
                self.component(at, item, modal, seen)

    def component(self, path: list, item: Json, modal: bool, seen: set[str]) -> None:
        kind, link = item.get("type"), item.get("style") == 5
        if kind not in ((SELECT, INPUT, 5, 6, 7, 8) if modal else (BUTTON, SELECT, 5, 6, 7, 8)):
            return self.fault([*path, "type"], "UNION_TYPE_CHOICES", "Value of field \"type\" is not allowed here.")
        self.text([*path, "placeholder"], item.get("placeholder"), 100 if kind == INPUT else 150)
        if kind == BUTTON:
            self.text([*path, "label"], item.get("label"), 80, 0 if item.get("emoji") else 1)
            if item.get("style") not in (1, 2, 3, 4, 5):
                self.fault([*path, "style"], "BASE_TYPE_CHOICES", "Value must be one of (1, 2, 3, 4, 5, 6).")
            if link and not str(item.get("url")).startswith(("http://", "https://", "discord://")):
                self.fault([*path, "url"], "BASE_TYPE_REQUIRED", "A url is required")
            if link == bool(item.get("custom_id")):
                code = "BUTTON_COMPONENT_CUSTOM_ID_AND_URL_EXCLUSIVE" if link else "BUTTON_COMPONENT_CUSTOM_ID_REQUIRED"
                self.fault([*path, "custom_id"], code, "A custom id and url is exclusive" if link
                           else "A custom id is required")
        elif kind == SELECT:
            self.options(path, item)
        elif kind == INPUT:
            self.text([*path, "label"], item.get("label"), 45, 1)
            self.text([*path, "value"], item.get("value"), 4000)
            if item.get("style") not in (1, 2):
                self.fault([*path, "style"], "BASE_TYPE_CHOICES", "Value must be one of (1, 2).")
        if link:
            return
        self.text([*path, "custom_id"], item.get("custom_id"), 100, 1)
        if item.get("custom_id") in seen:
            self.fault([*path, "custom_id"], "COMPONENT_CUSTOM_ID_DUPLICATED",
                       "Component custom id cannot be duplicated")
        seen.add(str(item.get("custom_id")))

    def options(self, path: list, select: Json) -> None:
        values = []
        for where, option in self.items([*path, "options"], select.get("options"), 25, 1):
            for name, least in (("label", 1), ("value", 1), ("description", 0)):
                self.text([*where, name], option.get(name), 100, least)
            values.append(option.get("value"))
        for value in {value for value in values if values.count(value) > 1}:
            self.fault([*path, "options"], "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED",
                       f"The specified option value is already used: {value}")

    def message(self, body: Json, files: dict, path: list = []) -> None:
        self.text([*path, "content"], body.get("content"), 2000)
        if not isinstance(body.get("nonce"), int):
            self.text([*path, "nonce"], body.get("nonce"), 25)
        self.embeds([*path, "embeds"], body.get("embeds"))
        if not (body.get("flags") or 0) & V2:
            self.components([*path, "components"], body.get("components"))
        for where, attachment in self.items([*path, "attachments"], body.get("attachments"), 10):
            self.text([*where, "description"], attachment.get("description"), 1024)
        if len(files) > 10:
            self.fault([*path, "files"], "BASE_TYPE_MAX_LENGTH", "Must be 10 or fewer in length.")
        mentions = body.get("allowed_mentions") or {}
        for name in ("users", "roles"):
            if name in (mentions.get("parse") or []) and mentions.get(name):
                self.fault([*path, "allowed_mentions"], "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE",
                           f"parse:[\"{name}\"] and {name}: [ids...] are mutually exclusive.")
            if len(mentions.get(name) or []) > 100:
                self.fault([*path, "allowed_mentions", name], "BASE_TYPE_MAX_LENGTH", "Must be 100 or fewer in length.")

    def command(self, path: list, command: Json, depth: int = 0) -> int:
        """Checks a command, or an option of one, and answers the length of its texts."""
        chat = depth or command.get("type", 1) in (1, None)
        total = self.text([*path, "name"], command.get("name"), 32, 1)
        total += self.text([*path, "description"], command.get("description"), 100, int(bool(chat)))
        name = str(command.get("name"))
        if chat and not (COMMAND_NAME.fullmatch(name) and name == name.lower()):
            self.fault([*path, "name"], "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid")
        optional, names = False, set()
        for where, option in self.items([*path, "options"], command.get("options"), 25):
            total += self.command(where, option, depth + 1)
            if option.get("type") not in range(1, 12) or option["type"] < 3 and depth > (option["type"] == 1):
                self.fault([*where, "type"], "BASE_TYPE_CHOICES", "Value of field \"type\" is not allowed here.")
            if option.get("name") in names:
                self.fault([*path, "options"], "APPLICATION_COMMAND_OPTIONS_NAME_ALREADY_EXISTS",
                           "Option name already exists")
            if option.get("required") and optional:
                self.fault([*where], "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID",
                           "Required options must be placed before non-required options")
            optional = optional or not option.get("required")
            names.add(option.get("name"))
        self.choices([*path, "choices"], command.get("choices"))
        if command.get("choices") and command.get("autocomplete"):
            self.fault([*path, "autocomplete"], "APPLICATION_COMMAND_OPTIONS_AUTOCOMPLETE_CHOICES",
                       "Autocomplete and choices exclude each other")
        if not depth and total > 8000:
            self.fault(path, "APPLICATION_COMMAND_TOO_LARGE", "Command exceeds maximum size (8000)")
        return total

    def choices(self, path: list, choices: Any) -> None:
        for where, choice in self.items(path, choices, 25):
            self.text([*where, "name"], choice.get("name"), 100, 1)
            if not isinstance(choice.get("value"), (int, float)):
                self.text([*where, "value"], choice.get("value"), 100, 1)


class Schemas:
    """Judges request bodies by Discord's own description of its API."""

    def __init__(self, file: str) -> None:
        from jsonschema import Draft202012Validator, validators
        from referencing import Registry, Resource
        from referencing.jsonschema import DRAFT202012
        with gzip.open(file, "rt", encoding="utf-8") as source:
            spec = self.loosen(json.load(source))
        # Discord takes snowflakes as numbers, and whole numbers as texts.
        spec["components"]["schemas"]["SnowflakeType"]["type"] = ["string", "integer"]
        types = Draft202012Validator.TYPE_CHECKER

        def whole(_: Any, value: Any) -> bool:
            return types.is_type(value, "integer") or isinstance(value, str) and bool(re.fullmatch(r"-?\d+", value))
        self.validator = validators.extend(Draft202012Validator, type_checker=types.redefine("integer", whole))
        self.registry = Registry().with_resource("urn:discord", Resource.from_contents(spec, DRAFT202012))
        self.known: list[tuple[str, re.Pattern, Json]] = []
        for path in sorted(spec["paths"], key=lambda path: path.count("{")):
            pattern = re.compile(re.sub(r"\{\w+\}", "[^/]+", path))
            for method, operation in spec["paths"][path].items():
                if method != "parameters" and "application/json" in operation.get("requestBody", {}).get("content", {}):
                    place = "/".join(("paths", path.replace("~", "~0").replace("/", "~1"), method,
                                      "requestBody/content/application~1json/schema"))
                    self.known.append((method.upper(), pattern, {"$ref": f"urn:discord#/{place}"}))

    @classmethod
    def loosen(cls, part: Any) -> Any:
        """`oneOf` becomes `anyOf`: with looser types more than one of them can hold."""
        if isinstance(part, list):
            return [cls.loosen(item) for item in part]
        if not isinstance(part, dict):
            return part
        return {"anyOf" if key == "oneOf" else key: cls.loosen(value) for key, value in part.items()}

    @staticmethod
    def nearest(faults: list) -> Any:
        """What is wrong with the alternative that was meant: the one of the right type, with the fewest faults."""
        branches = defaultdict(list)
        for fault in faults:
            branches[fault.schema_path[0]].append(fault)
        return min(branches.values(), key=lambda branch: (any(
            list(fault.path) in ([], ["type"]) and fault.validator in ("type", "enum", "const") for fault in branch),
            len(branch)))[0]

    def fault(self, method: str, path: str, body: Any) -> Optional[str]:
        for known, pattern, schema in self.known:
            if known == method and pattern.fullmatch(path):
                fault = next(self.validator(schema, registry=self.registry).iter_errors(body), None)
                while fault and fault.context:
                    fault = self.nearest(fault.context)
                return fault and f"schema: {fault.json_path}: not {fault.validator} {str(fault.validator_value)[:200]}"
        return f"schema: there is no {method} {path} with a body"


class Store:
    """What a world holds, and how it looks on the wire."""

    def __init__(self, name: str, base: str, schemas: Optional[Schemas]) -> None:
        self.name, self.own, self.schemas, self.settings = name, base, schemas, copy.deepcopy(SETTINGS)
        own = int(hashlib.sha256(name.encode()).hexdigest()[:9], 16)
        self.ids = {"BOT": str(BASE + 500), "HOOK": str(BASE + 501), "ops": str(BASE + 401), "self": str(BASE + 402),
                    "APP": str(BASE + 10**12 + own), "GUILD": str(BASE + 2 * 10**12 + own)}
        self.names = {value: key for key, value in self.ids.items()}
        self.channels: dict[str, Json] = {}
        self.users = ["BOT"]
        for number, member in ((1, True), (2, True), (9, False)):
            self.add_channel(f"C{number}", str(BASE + 300_000 + number), type=0, member=member)
        for number in range(1, 6):
            self.add_user(number)
        self.messages: dict[str, list[Json]] = defaultdict(list)
        self.commands: dict[str, list[Json]] = {"global": [], "guild": []}
        self.interactions: list[Json] = []
        self.modals: list[Json] = []
        self.deleted: list[str] = []
        self.reactions: list[Json] = []
        self.rejected: list[Json] = []
        self.typing: list[str] = []
        self.files: dict[str, Json] = {}
        self.bodies: dict[str, bytes] = {}
        self.closes: list[Json] = []
        self.faults: list[Json] = []
        self.calls: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self.sessions: dict[str, Session] = {}
        self.tasks: set[asyncio.Task] = set()
        self.flood, self.clock = Flood(), 0
        self.change = asyncio.Event()

    @property
    def base(self) -> str:
        return self.settings["base"] or self.own

    def add_channel(self, short: str, key: str, **more: Any) -> Json:
        self.ids[short], self.names[key] = key, short
        self.channels[short] = {"id": key, "name": short.lower(), "member": True, "at": now(), **more}
        return self.channels[short]

    def add_user(self, number: int) -> str:
        if f"U{number}" not in self.ids:
            self.users.append(f"U{number}")
            self.ids[f"U{number}"] = str(BASE + 100_000 + number)
            self.names[self.ids[f"U{number}"]] = f"U{number}"
            self.add_channel(f"D{number}", str(BASE + 200_000 + number), type=1, user=f"U{number}")
        return f"U{number}"

    def touch(self) -> None:
        """Wakes whoever waits for the state to change."""
        self.change.set()
        self.change = asyncio.Event()

    def snowflake(self) -> str:
        self.clock = max(self.clock + 1, (time.time_ns() // 1_000_000 - EPOCH) << 22)
        return str(self.clock)

    def reject(self, where: str, why: object, errors: Any = None) -> None:
        self.rejected.append({"route": where, "why": str(why)} | ({"errors": errors} if errors else {}))
        self.touch()

    def start(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.finished)

    def finished(self, task: asyncio.Task) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and task.exception():
            logging.error("a task of %s failed", self.name, exc_info=task.exception())

    def channel(self, key: str, seen: bool = True) -> str:
        """The short name of a channel in a request."""
        short = self.names.get(key, "")
        if short not in self.channels:
            raise ApiError(404, 10003, "Unknown Channel")
        known = self.channels[short]
        if seen and not self.channels[known.get("parent", short)]["member"]:
            raise ApiError(403, 50001, "Missing Access")
        return short

    def find(self, channel: str, key: Any) -> Json:
        for message in self.messages[channel]:
            if message["id"] == str(key):
                return message
        raise ApiError(404, 10008, "Unknown Message")

    def user(self, short: str, bot: bool = False) -> Json:
        name = {"BOT": "ops-bot", "HOOK": "hook"}.get(short, f"user{short[1:]}")
        return {"id": self.ids[short], "username": name, "discriminator": "0", "avatar": None, "public_flags": 0,
                "global_name": None if short in ("BOT", "HOOK") else name.title(),
                **({"bot": True} if bot or short in ("BOT", "HOOK") else {})}

    def member(self, short: str, user: bool = True) -> Json:
        return {**({"user": self.user(short)} if user else {}), "nick": self.settings["named"].get(short), "avatar": None, "banner": None,
                "roles": [self.ids[role] for role in {"BOT": ("ops", "self"), "U1": ("ops",)}.get(short, ())], "deaf": False, "mute": False,
                "joined_at": "2024-01-01T00:00:00.000000+00:00", "premium_since": None, "flags": 0, "pending": False,
                "communication_disabled_until": None}

    def channel_data(self, short: str) -> Json:
        known = self.channels[short]
        last = self.messages[short][-1]["id"] if self.messages[short] else None
        data = {"id": known["id"], "type": known["type"], "last_message_id": last, "flags": 0}
        if known["type"] == 1:
            return data | {"recipients": [self.user(known["user"])]}
        data |= {"guild_id": self.ids["GUILD"], "name": known["name"], "rate_limit_per_user": 0}
        if "parent" not in known:
            hidden = {"id": self.ids["GUILD"], "type": 0, "allow": "0", "deny": VIEW_CHANNEL}
            return data | {"position": list(self.channels).index(short),
                           "permission_overwrites": [] if known["member"] else [hidden],
                           "topic": None, "nsfw": False, "parent_id": None}
        count = len(self.messages[short])
        return data | {
            "parent_id": self.ids[known["parent"]], "owner_id": self.ids[known["owner"]], "message_count": count,
            "member_count": 1, "total_message_sent": count,
            "thread_metadata": {"archived": False, "archive_timestamp": known["at"], "locked": False,
                                "auto_archive_duration": known["archive"], "create_timestamp": known["at"]}}

    def guild(self, complete: bool = False) -> Json:
        role = {"color": 0, "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
                "hoist": False, "icon": None, "unicode_emoji": None, "permissions": PERMISSIONS, "managed": False,
                "mentionable": True, "flags": 0}
        data = {"id": self.ids["GUILD"], "name": self.name, "icon": None, "splash": None, "discovery_splash": None,
                "owner_id": self.ids["U1"], "afk_channel_id": None, "afk_timeout": 300, "verification_level": 0,
                "default_message_notifications": 1, "explicit_content_filter": 0, "emojis": [], "features": [],
                "roles": [{**role, "id": self.ids["GUILD"], "name": "@everyone", "position": 0},
                          {**role, "id": self.ids["ops"], "name": "ops", "position": 1},
                          {**role, "id": self.ids["self"], "name": "bot", "position": 2, "managed": True,
                           "tags": {"bot_id": self.ids["BOT"]}}], "mfa_level": 0,
                "application_id": None, "system_channel_id": None, "system_channel_flags": 0,
                "rules_channel_id": None, "max_members": 250_000, "vanity_url_code": None, "description": None,
                "banner": None, "premium_tier": 0, "premium_subscription_count": 0, "preferred_locale": "en-US",
                "public_updates_channel_id": None, "nsfw_level": 0, "stickers": [], "incidents_data": None,
                "premium_progress_bar_enabled": False, "safety_alerts_channel_id": None}
        if complete:
            guild = [short for short in self.channels if self.channels[short]["type"] != 1]
            data |= {"joined_at": "2024-01-01T00:00:00.000000+00:00", "large": False, "unavailable": False,
                     "member_count": len(self.users), "members": [self.member(user) for user in self.users],
                     "channels": [self.channel_data(c) for c in guild if c.startswith("C")],
                     "threads": [self.channel_data(c) for c in guild if c.startswith("T")], "presences": [],
                     "voice_states": [], "stage_instances": [], "guild_scheduled_events": [], "soundboard_sounds": []}
        return data

    def application(self) -> Json:
        return {"id": self.ids["APP"], "name": "ops-bot", "icon": None, "description": "", "summary": "",
                "type": None, "bot": self.user("BOT"), "bot_public": False, "bot_require_code_grant": False,
                "verify_key": "0" * 64, "owner": self.user("U1"), "team": None, "redirect_uris": [],
                "flags": 1 << 19 if self.settings["content_intent_allowed"] else 0, "integration_types_config": {},
                "interactions_endpoint_url": None, "approximate_guild_count": 1}

    def in_guild(self, channel: str) -> bool:
        return self.channels[channel]["type"] != 1

    def data(self, message: Json, gateway: bool = False, inner: bool = False) -> Json:
        """A message as the API shows it."""
        channel, author = message["channel"], message["user"]
        guild, person = self.in_guild(channel), lambda short: self.user(short) | (
            {"member": self.member(short, False)} if gateway and guild else {})
        files = {file["filename"]: file["url"] for file in message["attachments"]}
        embeds = json.loads(re.sub(r'"attachment://([^"]*)"', lambda found: json.dumps(
            files.get(found[1], found[0][1:-1])), json.dumps(message["embeds"])))
        data = {"id": message["id"], "type": message["type"], "channel_id": self.ids[channel], "tts": False,
                "author": self.user(author, message.get("bot", False)), "content": message["content"],
                "timestamp": message["at"], "edited_timestamp": message["edited"], "pinned": False,
                "mention_everyone": message["everyone"], "mentions": [person(short) for short in message["mentions"]],
                "mention_roles": [self.ids[role] for role in message["roles"]], "flags": message["flags"],
                "attachments": [{**{key: value for key, value in file.items() if key != "sha256" and value is not None},
                                 "proxy_url": file["url"]} for file in message["attachments"]],
                "embeds": [{"type": "rich", **embed} for embed in embeds], "components": message["components"]}
        reactions = Counter(r["emoji"] for r in self.reactions if r["id"] == message["id"])
        if reactions:
            data["reactions"] = [{"emoji": self.emoji(emoji), "count": count, "me": self.reaction(message, emoji) in
                                  self.reactions, "me_burst": False, "burst_colors": [],
                                  "count_details": {"burst": 0, "normal": count}} for emoji, count in reactions.items()]
        if message["nonce"] is not None:
            data["nonce"] = message["nonce"]
        if author == "HOOK" or "interaction" in message:
            data["webhook_id"] = self.ids["HOOK" if author == "HOOK" else "APP"]
        if author == "BOT":
            data["application_id"] = self.ids["APP"]
        if "interaction" in message:
            data["interaction_metadata"] = self.metadata(next(
                i for i in self.interactions if i["id"] == message["interaction"]))
        if message["referenced"] and not inner:
            data["message_reference"] = {
                "type": 0, "message_id": message["referenced"], "channel_id": self.ids[channel],
                **({"guild_id": self.ids["GUILD"]} if guild else {})}
            found = [m for m in self.messages[channel] if m["id"] == message["referenced"]]
            data["referenced_message"] = self.data(found[0], gateway, True) if found else None
        if message["flags"] & HAS_THREAD:
            data["thread"] = self.channel_data(self.names[message["id"]])
        if gateway and guild and not message["flags"] & EPHEMERAL:
            data["guild_id"] = self.ids["GUILD"]
            data |= {} if "webhook_id" in data else {"member": self.member(author, False)}
        return data

    def metadata(self, interaction: Json) -> Json:
        kind, more = interaction["kind"], {}
        if kind == "command":
            more = {"name": interaction["name"], "command_type": 1}
        elif kind == "component":
            more = {"interacted_message_id": interaction["message"]}
        elif kind == "modal":
            more = {"triggering_interaction_metadata": self.metadata(interaction["by"])}
        return {"id": interaction["id"], "type": interaction["type"], "user": self.user(interaction["user"]),
                "authorizing_integration_owners": {"0": self.ids["GUILD"]}, **more}

    def masked(self, message: Json, data: Json) -> Json:
        """The message for an app that may not see the contents of others' messages."""
        free = message["user"] == "BOT" or "BOT" in message["mentions"] or not self.in_guild(message["channel"])
        data = data if free else data | {"content": "", "embeds": [], "attachments": [], "components": []}
        inner = data.get("referenced_message")
        if not inner:
            return data
        return data | {"referenced_message": self.masked(self.find(message["channel"], inner["id"]), inner)}

    @staticmethod
    def emoji(text: str) -> Json:
        name, _, key = text.partition(":")
        return {"id": key or None, "name": name}

    @staticmethod
    def reaction(message: Json, emoji: str, user: str = "BOT") -> Json:
        return {"channel": message["channel"], "id": message["id"], "user": user, "emoji": emoji}

    def react(self, message: Json, emoji: str, user: str, add: bool) -> None:
        reaction = self.reaction(message, emoji, user)
        if (reaction in self.reactions) == add:
            return
        (self.reactions.append if add else self.reactions.remove)(reaction)
        guild, bot = self.in_guild(message["channel"]), user == "BOT"
        data = {"user_id": self.ids[user], "channel_id": self.ids[message["channel"]], "message_id": message["id"],
                "emoji": self.emoji(emoji), "burst": False, "type": 0,
                **({"guild_id": self.ids["GUILD"]} if guild else {})}
        if add:
            data |= {"message_author_id": self.ids[message["user"]]} | ({"member": self.member(user)} if guild else {})
        if self.settings["echo"] or not bot:
            self.dispatch(f"MESSAGE_REACTION_{'ADD' if add else 'REMOVE'}", GUILD_REACTIONS if guild else
                          DIRECT_REACTIONS, data)
        self.touch()

    def store(self, channel: str, user: str, fields: Json, copies: int = 1) -> Json:
        message = {"id": self.snowflake(), "channel": channel, "user": user, "content": "", "embeds": [],
                   "components": [], "attachments": [], "flags": 0, "nonce": None, "allowed_mentions": None,
                   "referenced": None, "edited": None, "at": now(), **fields}
        message.setdefault("type", 19 if message["referenced"] else 0)
        self.messages[channel].append(self.mention(message))
        self.counts["posted"] += user == "BOT"
        self.announce("MESSAGE_CREATE", message, copies)
        return message

    def mention(self, message: Json) -> Json:
        """Works out whom a message mentions, as far as its allowed_mentions let it."""
        allowed, content = message["allowed_mentions"], message["content"]
        parse = ["users", "roles", "everyone"] if allowed is None else allowed.get("parse") or []

        def named(kind: str, pattern: str) -> list[str]:
            found = [key for key in re.findall(pattern, content) if key in self.names]
            asked = [str(key) for key in (allowed or {}).get(kind) or []]
            return list(dict.fromkeys(self.names[key] for key in found if kind in parse or key in asked))
        mentions = named("users", r"<@!?(\d+)>")
        if message["referenced"] and (allowed is None or allowed.get("replied_user")):
            found = [m["user"] for m in self.messages[message["channel"]] if m["id"] == message["referenced"]]
            mentions += [user for user in found if user not in ("HOOK", message["user"], *mentions)]
        everyone = "everyone" in parse and bool(re.search("@everyone|@here", content))
        message |= {"mentions": mentions, "roles": named("roles", r"<@&(\d+)>"), "everyone": everyone}
        return message

    def announce(self, event: str, message: Json, copies: int = 1) -> None:
        channel, self_made = message["channel"], message["user"] == "BOT"
        self.touch()
        if self_made and not self.settings["echo"]:
            return
        direct = not self.in_guild(channel) or message["flags"] & EPHEMERAL
        intent, data = DIRECT_MESSAGES if direct else GUILD_MESSAGES, self.data(message, gateway=True)
        for _ in range(copies):
            self.dispatch(event, intent, data, self.masked(message, data), channel)

    def remove(self, message: Json) -> None:
        channel = message["channel"]
        self.messages[channel].remove(message)
        self.deleted.append(message["id"])
        guild = self.in_guild(channel)
        self.dispatch("MESSAGE_DELETE", GUILD_MESSAGES if guild else DIRECT_MESSAGES, {
            "id": message["id"], "channel_id": self.ids[channel], **({"guild_id": self.ids["GUILD"]} if guild else {})})
        self.touch()

    def dispatch(self, event: str, intent: int, data: Any, masked: Any = None, channel: str = "") -> None:
        known = self.channels.get(channel, {})
        if known and not self.channels[known.get("parent", channel)]["member"]:
            return
        for session in self.sessions.values():
            if not intent or session.intents & intent:
                hidden = masked is not None and not session.intents & MESSAGE_CONTENT
                session.dispatch(event, masked if hidden else data)

    def open_thread(self, channel: str, name: str, owner: str, start: Optional[Json] = None, archive: int = 1440,
                    kind: int = 11) -> Json:
        known = self.add_channel(f"T{sum(short.startswith('T') for short in self.channels) + 1}",
                                 start["id"] if start else self.snowflake(), type=kind, name=name, parent=channel,
                                 owner=owner, archive=archive)
        if start:
            start["flags"] |= HAS_THREAD
            start["thread"] = self.names[known["id"]]
        data = self.channel_data(self.names[known["id"]])
        self.dispatch("THREAD_CREATE", GUILDS, data | {"newly_created": True}, channel=channel)
        self.touch()
        return data


class Rest(Store):
    """The routes of the REST API."""

    def content(self, call: Call, old: Optional[Json] = None, path: list = [], settable: int = SUPPRESS_EMBEDS) -> Json:
        """The parts of a message that a request gives, checked."""
        body = call.body if not path else call.body.get("data") or {}
        check, kept = Check(), {file["id"]: file for file in (old or {}).get("attachments", [])}
        fields: Json = {}
        check.message(body, call.files, path)
        described = {str(item.get("id")): item for item in body.get("attachments") or [] if isinstance(item, dict)}
        for number, key in enumerate(described):
            if key not in call.files and key not in kept:
                check.fault([*path, "attachments", number], "ATTACHMENT_NOT_FOUND", "Attachment data not found")
        check.done()
        if any(len(file) > MAX_FILE for _, _, file in call.files.values()):
            raise ApiError(413, 40005, "Request entity too large")
        for name, nothing in (("content", ""), ("embeds", []), ("components", [])):
            if name in body:
                fields[name] = body[name] or nothing
        flags = body.get("flags") or 0
        if flags & ~settable:
            self.reject("flags", f"ignored, these cannot be set here: {flags & ~settable}")
        if "flags" in body:
            fields["flags"] = (old or {}).get("flags", 0) & ~SUPPRESS_EMBEDS | flags & settable
        fields |= {name: body[name] for name in ("allowed_mentions", "nonce") if body.get(name) is not None}
        if call.files or "attachments" in body:
            stay = [file | {"description": described.get(key, file).get("description", file["description"])}
                    for key, file in kept.items() if key in described or "attachments" not in body]
            fields["attachments"] = stay + [
                self.save(described.get(key, {}), *file) for key, file in call.files.items()]
        whole = (old or {}) | fields
        if not any(whole.get(name) for name in ("content", "embeds", "components", "attachments")):
            raise ApiError(400, 50006, "Cannot send an empty message")
        return fields

    def save(self, described: Json, filename: str, kind: str, body: bytes) -> Json:
        key, filename = self.snowflake(), described.get("filename") or filename
        self.bodies[key] = body
        self.files[key] = {
            "id": key, "filename": filename, "description": described.get("description"), "size": len(body),
            "content_type": kind or mimetypes.guess_type(filename)[0] or "application/octet-stream",
            "url": f"{self.base}/attachments/{self.name}/{key}/{filename}", **picture(body),
            "sha256": hashlib.sha256(body).hexdigest()}
        return self.files[key]

    @route("GET", "/gateway", bot=False)
    def get_gateway(self, call: Call) -> Json:
        return {"url": f"{self.base.replace('http', 'ws', 1)}/gw/{self.name}"}

    @route("GET", "/gateway/bot")
    def get_gateway_bot(self, call: Call) -> Json:
        return self.get_gateway(call) | {"shards": 1, "session_start_limit": {
            "total": 1000, "remaining": max(0, 1000 - self.counts["identifies"]), "reset_after": 86_400_000,
            "max_concurrency": 1}}

    @route("GET", "/users/@me")
    def get_me(self, call: Call) -> Json:
        return self.user("BOT") | {"verified": True, "email": None, "mfa_enabled": True, "locale": "en-US", "flags": 0}

    @route("GET", "/users/@me/guilds")
    def get_guilds(self, call: Call) -> list:
        call.number("limit", 200, 200)
        return [{"id": self.ids["GUILD"], "name": self.name, "owner": False,
                 "permissions": self.settings["permissions"], "features": []}]

    @route("GET", "/applications/@me")
    @route("GET", "/oauth2/applications/@me")
    def get_application(self, call: Call) -> Json:
        return self.application()

    @route("POST", "/users/@me/channels")
    def open_direct(self, call: Call) -> Json:
        short = self.names.get(str(call.body.get("recipient_id")), "")
        if short not in self.users or short == "BOT":
            raise ApiError(400, 50033, "Invalid Recipient(s)")
        return self.channel_data("D" + short[1:])

    @route("GET", "/channels/{channel}")
    def get_channel(self, call: Call, channel: str) -> Json:
        return self.channel_data(self.channel(channel))

    @route("GET", "/guilds/{guild}")
    def get_guild(self, call: Call, guild: str) -> Json:
        if guild != self.ids["GUILD"]:
            raise ApiError(404, 10004, "Unknown Guild")
        return self.guild()

    @route("GET", "/guilds/{guild}/channels")
    def get_channels(self, call: Call, guild: str) -> list:
        self.get_guild(call, guild)
        return [self.channel_data(c) for c in self.channels if c.startswith("C")]

    @route("GET", "/guilds/{guild}/roles")
    def get_roles(self, call: Call, guild: str) -> list:
        return self.get_guild(call, guild)["roles"]

    @route("GET", "/guilds/{guild}/members/{user}")
    def get_member(self, call: Call, guild: str, user: str) -> Json:
        self.get_guild(call, guild)
        if self.names.get(user) not in self.users or self.names[user] in self.settings["left"]:
            raise ApiError(404, 10007, "Unknown Member")
        return self.member(self.names[user])

    @route("POST", "/channels/{channel}/typing")
    def type_on(self, call: Call, channel: str) -> None:
        self.typing.append(self.channel(channel))
        self.touch()

    @route("PUT", "/channels/{channel}/thread-members/@me")
    def join_thread(self, call: Call, channel: str) -> None:
        self.channel(channel)

    @route("GET", "/channels/{channel}/messages")
    def get_messages(self, call: Call, channel: str) -> list:
        short, limit = self.channel(channel), call.number("limit", 50, 100)
        found = [m for m in self.messages[short] if not m["flags"] & EPHEMERAL]
        if "around" in call.query:
            middle = sum(int(m["id"]) < int(call.query["around"]) for m in found)
            found = found[max(0, middle - limit // 2):][:limit]
        elif "after" in call.query:
            found = [m for m in found if int(m["id"]) > int(call.query["after"])][:limit]
        else:
            before = int(call.query.get("before", 1 << 63))
            found = [m for m in found if int(m["id"]) < before][-limit:]
        return [self.seen(message) for message in reversed(found)]

    def seen(self, message: Json) -> Json:
        data = self.data(message)
        return data if self.settings["content_intent_allowed"] else self.masked(message, data)

    @route("GET", "/channels/{channel}/messages/{message}")
    def get_message(self, call: Call, channel: str, message: str) -> Json:
        return self.seen(self.find(self.channel(channel), message))

    @route("POST", "/channels/{channel}/messages")
    def create_message(self, call: Call, channel: str) -> Json:
        short, nonce, check = self.channel(channel), call.body.get("nonce"), Check()
        if self.channels[short].get("user") in self.settings["dms_closed"]:
            raise ApiError(403, 50007, "Cannot send messages to this user")
        oldest = int(self.snowflake()) - (int(self.settings["nonce_life"] * 1000) << 22)
        if nonce is not None and call.body.get("enforce_nonce"):
            for message in self.messages[short]:
                if message["user"] == "BOT" and str(message["nonce"]) == str(nonce) and int(message["id"]) > oldest:
                    return self.data(message)
        fields = self.content(call, settable=SUPPRESS_EMBEDS | SILENT | VOICE | V2)
        reference = call.body.get("message_reference")
        if reference:
            key, known = str(reference.get("message_id")), [m["id"] for m in self.messages[short]]
            if key not in known and reference.get("fail_if_not_exists", True):
                check.fault(["message_reference"], "REPLIES_UNKNOWN_MESSAGE", "Unknown message")
            check.done()
            fields["referenced"] = key if key in known else None
        return self.data(self.store(short, "BOT", fields))

    @route("PATCH", "/channels/{channel}/messages/{message}")
    def edit_message(self, call: Call, channel: str, message: str) -> Json:
        found = self.find(self.channel(channel), message)
        if found["user"] != "BOT":
            raise ApiError(403, 50005, "Cannot edit a message authored by another user")
        return self.change_message(call, found)

    def change_message(self, call: Call, message: Json, path: list = []) -> Json:
        fields = self.content(call, message, path)
        # A response that was deferred is filled, everything else counts as edited.
        edited = message["edited"] if message["flags"] & LOADING else now()
        message |= {**fields, "edited": edited}
        message["flags"] &= ~LOADING
        self.announce("MESSAGE_UPDATE", self.mention(message))
        return self.data(message)

    @route("DELETE", "/channels/{channel}/messages/{message}")
    def delete_message(self, call: Call, channel: str, message: str) -> None:
        self.remove(self.find(self.channel(channel), message))

    @route("PUT", "/channels/{channel}/messages/{message}/reactions/{emoji}/@me")
    def add_reaction(self, call: Call, channel: str, message: str, emoji: str) -> None:
        if emoji.isascii() and not re.fullmatch(r"\w+:\d+", emoji):
            raise ApiError(400, 10014, "Unknown Emoji")
        self.react(self.find(self.channel(channel), message), emoji, "BOT", True)

    @route("DELETE", "/channels/{channel}/messages/{message}/reactions/{emoji}/@me")
    def delete_reaction(self, call: Call, channel: str, message: str, emoji: str) -> None:
        self.react(self.find(self.channel(channel), message), emoji, "BOT", False)

    @route("POST", "/channels/{channel}/messages/{message}/threads")
    def thread_from_message(self, call: Call, channel: str, message: str) -> Json:
        found = self.find(self.channel(channel), message)
        if found["flags"] & HAS_THREAD:
            raise ApiError(400, 160004, "A thread has already been created for this message")
        return self.thread(call, found["channel"], found, 11)

    @route("POST", "/channels/{channel}/threads")
    def thread_without_message(self, call: Call, channel: str) -> Json:
        return self.thread(call, self.channel(channel), None, call.body.get("type", 12))

    def thread(self, call: Call, channel: str, start: Optional[Json], kind: int) -> Json:
        if self.channels[channel]["type"] != 0:
            raise ApiError(400, 50024, "Cannot execute action on this channel type")
        check, archive = Check(), call.body.get("auto_archive_duration") or 1440
        check.text(["name"], call.body.get("name"), 100, 1)
        if archive not in (60, 1440, 4320, 10080):
            check.fault(["auto_archive_duration"], "BASE_TYPE_CHOICES", "Value must be one of (60, 1440, 4320, 10080).")
        check.done()
        return self.open_thread(channel, call.body["name"], "BOT", start, archive, kind)

    def scope(self, application: str, guild: str = "") -> list[Json]:
        if application != self.ids["APP"] or guild not in ("", self.ids["GUILD"]):
            raise ApiError(403, 20012, "You are not authorized to perform this action on this application")
        return self.commands["guild" if guild else "global"]

    def keep_commands(self, known: list[Json], given: list[Json], guild: str, replace: bool) -> list[Json]:
        check, names = Check(), [(command.get("type") or 1, command.get("name")) for command in given]
        for number, command in enumerate(given):
            check.command([number] if replace else [], command)
            if names.count(names[number]) > 1:
                check.fault([number, "name"], "APPLICATION_COMMANDS_DUPLICATE_NAME", "Names must be unique")
        check.done()
        if len(given) > 100:
            raise ApiError(400, 30032, "Maximum number of application commands reached (100)")
        old = {(command["type"], command["name"]): command["id"] for command in known}
        made = [{"dm_permission": True, "nsfw": False, "default_member_permissions": None, "contexts": None,
                 "integration_types": [0], "description": "", **command, "type": kind, "version": self.snowflake(),
                 "id": old.get((kind, name)) or self.snowflake(), "application_id": self.ids["APP"],
                 **({"guild_id": guild} if guild else {})} for (kind, name), command in zip(names, given)]
        known[:] = made if replace else [c for c in known if (c["type"], c["name"]) not in names] + made
        self.touch()
        return made

    @route("GET", "/applications/{application}/commands")
    @route("GET", "/applications/{application}/guilds/{guild}/commands")
    def get_commands(self, call: Call, application: str, guild: str = "") -> list:
        return self.scope(application, guild)

    @route("PUT", "/applications/{application}/commands")
    @route("PUT", "/applications/{application}/guilds/{guild}/commands")
    def put_commands(self, call: Call, application: str, guild: str = "") -> list:
        return self.keep_commands(self.scope(application, guild), call.body, guild, True)

    @route("POST", "/applications/{application}/commands")
    @route("POST", "/applications/{application}/guilds/{guild}/commands")
    def post_command(self, call: Call, application: str, guild: str = "") -> Json:
        return self.keep_commands(self.scope(application, guild), [call.body], guild, False)[0]

    @route("DELETE", "/applications/{application}/commands/{command}")
    @route("DELETE", "/applications/{application}/guilds/{guild}/commands/{command}")
    def delete_command(self, call: Call, application: str, command: str, guild: str = "") -> None:
        known = self.scope(application, guild)
        if all(kept["id"] != command for kept in known):
            raise ApiError(404, 10063, "Unknown application command")
        known[:] = [kept for kept in known if kept["id"] != command]
        self.touch()

    @route("POST", "/interactions/{key}/{token}/callback", bot=False)
    def answer(self, call: Call, key: str, token: str) -> Optional[Json]:
        found = [i for i in self.interactions if i["id"] == key and i["token"] == token]
        if not found or not found[0]["answer"] and since(found[0]["begun"]) > self.settings["answer_within"] * 1000:
            raise ApiError(404, 10062, "Unknown interaction")
        interaction, kind, data = found[0], int(call.body.get("type") or 0), call.body.get("data") or {}
        if interaction["answer"]:
            raise ApiError(400, 40060, "Interaction has already been acknowledged.")
        check, source = Check(), interaction["source"]
        if kind not in ANSWERS[interaction["type"]] and not (kind in (6, 7) and source):
            check.fault(["type"], "BASE_TYPE_CHOICES", f"Value must be one of {ANSWERS[interaction['type']]}.")
        if kind == 8:
            check.choices(["data", "choices"], data.get("choices"))
        elif kind == 9:
            check.text(["data", "title"], data.get("title"), 45, 1)
            check.text(["data", "custom_id"], data.get("custom_id"), 100, 1)
            check.components(["data", "components"], data.get("components"), modal=True)
        check.done()
        flags = int(data.get("flags") or 0) & EPHEMERAL
        if kind in (4, 5):
            settable = SUPPRESS_EMBEDS | EPHEMERAL | SILENT | V2
            fields = self.content(call, None, ["data"], settable) if kind == 4 else {"flags": flags | LOADING}
            source = self.store(interaction["channel"], "BOT", fields | self.belongs(interaction, flags))
            interaction["original"] = source["id"]
        elif kind in (6, 7):
            interaction["original"] = source["id"]
            if kind == 7:
                self.change_message(call, source, ["data"])
        elif kind == 9:
            self.modals.append({**data, "interaction": interaction, "open": True})
        interaction["answer"] = {"type": kind, "data": data, "ms": since(interaction["begun"])}
        interaction["ephemeral"] = bool(flags)
        self.touch()
        if call.query.get("with_response") not in ("true", "1"):
            return None
        shown = {"message": self.data(source)} if kind in (4, 7) else {}
        return {"interaction": {"id": key, "type": interaction["type"], "response_message_id": interaction["original"],
                                "response_message_loading": kind == 5, "response_message_ephemeral": bool(flags)},
                **({"resource": {"type": kind, **shown}} if shown else {})}

    @staticmethod
    def belongs(interaction: Json, flags: int) -> Json:
        return {"interaction": interaction["id"], "type": 20 if interaction["kind"] == "command" else 0,
                **({"to": interaction["user"]} if flags & EPHEMERAL else {})}

    def by_token(self, application: str, token: str) -> Json:
        found = [i for i in self.interactions if i["token"] == token and application == self.ids["APP"]]
        if not found or not found[0]["answer"]:
            raise ApiError(404, 10015, "Unknown Webhook")
        if since(found[0]["begun"]) > self.settings["interaction_life"] * 1000:
            raise ApiError(401, 50027, "Invalid Webhook Token")
        return found[0]

    def response(self, application: str, token: str, message: str) -> Json:
        interaction = self.by_token(application, token)
        key = interaction["original"] if message == "@original" else message
        if key not in (interaction["original"], *interaction["followups"]):
            raise ApiError(404, 10008, "Unknown Message")
        return self.find(interaction["channel"], key)

    @route("POST", "/webhooks/{application}/{token}", bot=False)
    def follow_up(self, call: Call, application: str, token: str) -> Json:
        interaction = self.by_token(application, token)
        original = [m for m in self.messages[interaction["channel"]] if m["id"] == interaction["original"]]
        if original and original[0]["flags"] & LOADING:
            return self.change_message(Call(call.query, call.body | {"flags": 0}, call.files), original[0])
        fields = self.content(call, settable=SUPPRESS_EMBEDS | EPHEMERAL | SILENT | V2)
        fields |= self.belongs(interaction, fields.get("flags", 0))
        fields |= {"referenced": original[0]["id"], "type": 19} if original else {}
        message = self.store(interaction["channel"], "BOT", fields)
        interaction["followups"].append(message["id"])
        return self.data(message)

    @route("GET", "/webhooks/{application}/{token}/messages/{message}", bot=False)
    def get_response(self, call: Call, application: str, token: str, message: str) -> Json:
        return self.data(self.response(application, token, message))

    @route("PATCH", "/webhooks/{application}/{token}/messages/{message}", bot=False)
    def edit_response(self, call: Call, application: str, token: str, message: str) -> Json:
        return self.change_message(call, self.response(application, token, message))

    @route("DELETE", "/webhooks/{application}/{token}/messages/{message}", bot=False)
    def delete_response(self, call: Call, application: str, token: str, message: str) -> None:
        self.remove(self.response(application, token, message))


class Gateway(Rest):
    """Sessions and what their connections say."""

    def identify(self, link: Link, data: Json) -> None:
        intents, shard = data.get("intents"), data.get("shard") or [0, 1]
        self.counts["identifies"] += 1
        self.touch()
        if self.settings["token_revoked"]:
            return link.put(4004)
        if not isinstance(intents, int) or intents & ~INTENTS:
            return link.put(4013)
        if intents & MESSAGE_CONTENT and not self.settings["content_intent_allowed"]:
            return link.put(4014)
        if len(shard) != 2 or not 0 <= shard[0] < shard[1]:
            return link.put(4010)
        session = Session(intents, data.get("shard"))
        self.sessions[session.id] = session
        link.squeeze = bool(data.get("compress"))
        self.attach(session, link)
        session.dispatch("READY", {
            "v": 10, "user": self.get_me(Call({}, {}, {})), "guilds": [{"id": self.ids["GUILD"], "unavailable": True}],
            "session_id": session.id, "resume_gateway_url": f"{self.base.replace('http', 'ws', 1)}/gw/{self.name}",
            "shard": shard, "application": {"id": self.ids["APP"], "flags": self.application()["flags"]},
            "session_type": "normal", "private_channels": [], "relationships": [], "presences": [],
            "guild_join_requests": [], "user_settings": {}, "geo_ordered_rtc_regions": [], "auth": {}, "_trace": []})
        if intents & GUILDS:
            session.dispatch("GUILD_CREATE", self.guild(complete=True))

    def attach(self, session: Session, link: Link) -> None:
        if session.link:
            session.link.put(4000)
        session.link, link.session = link, session
        self.touch()

    def resume(self, link: Link, data: Json) -> None:
        session, seq = self.sessions.get(str(data.get("session_id"))), data.get("seq")
        self.counts["resumes"] += 1
        self.touch()
        if self.settings["token_revoked"]:
            return link.put(4004)
        if not session or not session.link and since(session.left) > self.settings["session_life"] * 1000:
            self.sessions.pop(str(data.get("session_id")), None)
            return link.put({"op": 9, "d": False})
        if not isinstance(seq, int) or seq > session.seq:
            return link.put(4007)
        for missed in [payload for payload in session.sent if payload["s"] > seq]:
            link.put(missed)
        self.attach(session, link)
        session.dispatch("RESUMED", {"_trace": []})

    def detach(self, link: Link, code: Optional[int]) -> None:
        """The connection is gone; 1000 and 1001 of the client end the session, anything else leaves it for later."""
        session = link.session
        if session and session.link is link:
            session.link, session.left = None, time.monotonic()
            if code in (1000, 1001) and link.closing is None:
                self.sessions.pop(session.id, None)
        mine = link.closing is not None
        self.closes.append({"by": "double" if mine else "bot", "code": link.closing if mine else code or 1006})
        self.touch()

    def links(self) -> list[Link]:
        return [session.link for session in self.sessions.values() if session.link]


class World(Gateway):
    """What a test does to the bot: `do_` and the name of the control action."""

    def place(self, spec: Json, name: str = "channel") -> str:
        given = str(spec[name])
        short = self.names.get(given, given)
        short = "D" + short[1:] if short in self.users else short
        if short not in self.channels:
            raise Refused(f"no channel {given}")
        return short

    def person(self, spec: Json) -> str:
        given = str(spec["user"])
        if self.names.get(given, given) not in self.users:
            raise Refused(f"no user {given}")
        return self.names.get(given, given)

    def said(self, spec: Json) -> Json:
        return only([m for m in self.messages[self.place(spec)] if m["id"] == str(spec["id"])], "message")

    def expanded(self, text: str) -> str:
        return re.sub(r"<@(&?)(\w+)>", lambda found: f"<@{found[1]}{self.ids.get(found[2], found[2])}>", text)

    def speak(self, spec: Json, channel: str, user: str) -> Json:
        fields: Json = {"content": self.expanded(spec["text"]), "bot": bool(spec.get("bot"))}
        if spec.get("reply_to"):
            fields |= {"referenced": str(spec["reply_to"]), "allowed_mentions": {
                "parse": ["users", "roles", "everyone"], "replied_user": spec.get("ping", True)}}
        return self.store(channel, "HOOK" if spec.get("webhook") else user, fields, int(spec.get("copies", 1)))

    async def do_message(self, spec: Json) -> Json:
        channel = self.place(spec, "thread" if spec.get("thread") else "channel")
        return {"id": self.speak(spec, channel, self.person(spec) if "user" in spec else "HOOK")["id"]}

    async def do_edit(self, spec: Json) -> Json:
        said = self.said(spec)
        said |= {"content": self.expanded(spec["text"]), "edited": now()}
        self.announce("MESSAGE_UPDATE", self.mention(said))
        return {}

    async def do_delete(self, spec: Json) -> Json:
        self.remove(self.said(spec))
        return {}

    def interact(self, kind: int, spec: Json, channel: str, data: Json, name: str, source: Optional[Json] = None,
                 by: Optional[Json] = None) -> Json:
        key, user, guild = self.snowflake(), self.person(spec), self.in_guild(channel)
        token = base64.urlsafe_b64encode(f"interaction:{key}:{uuid.uuid4().hex}".encode()).decode().rstrip("=")
        self.interactions.append({
            "id": key, "token": token, "type": kind, "kind": KINDS[kind], "name": name, "user": user,
            "channel": channel, "begun": time.monotonic(), "source": source, "by": by,
            "message": source["id"] if source else None, "answer": None, "ephemeral": False, "original": None,
            "followups": []})
        where = {"guild_id": self.ids["GUILD"], "guild_locale": "en-US", "context": 0, "member": self.member(user) | {
            "permissions": PERMISSIONS}, "guild": {"id": self.ids["GUILD"], "locale": "en-US", "features": []}}
        self.dispatch("INTERACTION_CREATE", 0, {
            "id": key, "application_id": self.ids["APP"], "type": kind, "data": data, "token": token, "version": 1,
            "channel_id": self.ids[channel], "channel": {"permissions": PERMISSIONS, **self.channel_data(channel)},
            "app_permissions": PERMISSIONS, "locale": "en-US", "entitlements": [], "attachment_size_limit": MAX_FILE,
            "authorizing_integration_owners": {"0": self.ids["GUILD"] if guild else "0"},
            **(where if guild else {"user": self.user(user), "context": 1}),
            **({"message": self.data(source)} if source else {})})
        self.touch()
        return {"interaction": key}

    def chosen(self, options: list[Json], resolved: Json) -> list[Json]:
        """The options of a command as they are sent, short names as snowflakes."""
        made = []
        for option in options:
            option = {"type": 3, **option}
            if "options" in option:
                option = {**option, "type": option["type"] if option["type"] < 3 else 1,
                          "options": self.chosen(option["options"], resolved)}
            elif option["type"] in (6, 7, 8):
                short = self.names.get(str(option["value"]), str(option["value"]))
                option["value"] = key = self.ids[short]
                if option["type"] == 6:
                    resolved.setdefault("users", {})[key] = self.user(short)
                    resolved.setdefault("members", {})[key] = self.member(short, False)
                elif option["type"] == 7:
                    resolved.setdefault("channels", {})[key] = self.channel_data(short) | {"permissions": PERMISSIONS}
                else:
                    resolved.setdefault("roles", {})[key] = self.guild()["roles"][1]
            made.append(option)
        return made

    async def do_command(self, spec: Json, kind: int = 2) -> Json:
        channel, name = self.place(spec), spec["name"]
        resolved: Json = {}
        known = [c for c in (self.commands["guild"] if self.in_guild(channel) else []) + self.commands["global"]
                 if c["name"] == name and c["type"] == 1]
        if not known and not spec.get("unregistered"):
            raise Refused(f"the bot has no command {name}")
        command = known[0] if known else {"id": str(BASE + zlib.crc32(name.encode()))}
        data = {"id": command["id"], "name": name, "type": 1, "options": self.chosen(spec.get("options", []), resolved),
                **({"resolved": resolved} if resolved else {}),
                **({"guild_id": command["guild_id"]} if "guild_id" in command else {})}
        return self.interact(kind, spec, channel, data, name)

    async def do_autocomplete(self, spec: Json) -> Json:
        return await self.do_command(spec, 4)

    def component(self, spec: Json, kind: int, label: str) -> tuple[Json, Json]:
        """The message that a person acts in, and the button or select with the asked label or custom_id."""
        held, asked = self.said(spec), spec.get("label") or spec.get("placeholder")
        if held.get("to", spec["user"]) != self.person(spec):
            raise Refused("only its addressee sees that message")
        found = only([part for part in parts(held["components"]) if part["type"] == kind and "custom_id" in part and (
            part["custom_id"] == spec.get("custom_id") or asked and part.get(label) == asked)], "component")
        if found.get("disabled"):
            raise Refused("it is disabled")
        return held, found

    async def do_press(self, spec: Json) -> Json:
        held, button = self.component(spec, BUTTON, "label")
        return self.interact(3, spec, held["channel"], {"custom_id": button["custom_id"], "component_type": BUTTON},
                             button["custom_id"], held)

    async def do_choose(self, spec: Json) -> Json:
        held, select = self.component(spec, SELECT, "placeholder")
        wanted = spec["option"] if isinstance(spec["option"], list) else [spec["option"]]
        values = [only([o["value"] for o in select["options"] if want in (o["label"], o["value"])], "option")
                  for want in wanted]
        return self.interact(3, spec, held["channel"], {"custom_id": select["custom_id"], "component_type": SELECT,
                                                        "values": values}, select["custom_id"], held)

    async def do_submit(self, spec: Json) -> Json:
        user, given = self.person(spec), dict(spec.get("values", {}))
        modal = only([m for m in reversed(self.modals) if m["open"] and m["interaction"]["user"] == user
                      and m["custom_id"] == spec.get("custom_id", m["custom_id"])], "open modal")
        filled: dict[str, Json] = {}
        for part in parts(modal["components"]):
            name = next((n for n in (part["custom_id"], part.get("label"), "") if n in given), None)
            value = given.pop(name, None) if name is not None else part.get("value", "")
            if part.get("required", True) and not value or value and not (
                    part.get("min_length") or 0) <= len(value) <= (part.get("max_length") or 4000):
                raise Refused(f"{part['custom_id']} does not take that", 400)
            filled[part["custom_id"]] = {"type": part["type"], "custom_id": part["custom_id"], "value": value}
        if given:
            raise Refused(f"no inputs {sorted(given)}")
        modal["open"] = False
        rows = [{"type": LABEL, "component": filled[row["component"]["custom_id"]]} if "component" in row else
                {"type": 1, "components": [filled[row["components"][0]["custom_id"]]]} for row in modal["components"]]
        asked, name = modal["interaction"], modal["custom_id"]
        return self.interact(5, spec, asked["channel"], {"custom_id": name, "components": rows}, name, asked["source"],
                             asked)

    async def do_react(self, spec: Json) -> Json:
        self.react(self.said(spec), spec["emoji"], self.person(spec), True)
        return {}

    async def do_thread(self, spec: Json) -> Json:
        start = self.said(spec) if spec.get("id") else None
        if start and start["flags"] & HAS_THREAD:
            raise Refused("it has a thread", 400)
        data = self.open_thread(self.place(spec), spec["name"], self.person({"user": "U1", **spec}), start)
        return {"id": data["id"], "thread": self.names[data["id"]]}

    def tell(self, *items: Json | int) -> Json:
        links = self.links()
        for link in links:
            for item in items:
                link.put(item)
        return {"sessions": len(links)}

    async def do_reconnect(self, spec: Json) -> Json:
        return self.tell({"op": 7, "d": None})

    async def do_invalid(self, spec: Json) -> Json:
        told = self.tell({"op": 9, "d": bool(spec.get("resumable"))})
        if not spec.get("resumable"):
            self.end_sessions()
        return told

    async def do_close(self, spec: Json) -> Json:
        told = self.tell(int(spec["code"]))
        if spec["code"] in ENDING:
            self.end_sessions()
        return told

    def end_sessions(self) -> None:
        self.sessions = {key: session for key, session in self.sessions.items() if not session.link}
        self.touch()

    async def do_drop(self, spec: Json) -> Json:
        links = self.links()
        for link in links:
            link.transport.abort()
        return {"sessions": len(links)}

    async def do_mute_acks(self, spec: Json) -> Json:
        return await self.do_set({"mute_acks": spec.get("on", True)})

    async def do_fault(self, spec: Json) -> Json:
        if spec["kind"] not in FAULTS:
            raise Refused(f"no fault {spec['kind']}", 400)
        self.faults.append({"times": 1, **spec, "route": spec["route"]})
        return {}

    async def do_set(self, spec: Json) -> Json:
        for short, member in spec.pop("member", {}).items():
            known = self.channels.get(short) or self.add_channel(short, str(BASE + 300_000 + int(short[1:])), type=0)
            known["member"] = member
            self.dispatch("CHANNEL_UPDATE", GUILDS, self.channel_data(short))
        if unknown := sorted(spec.keys() - self.settings.keys()):
            raise Refused(f"no settings {unknown}", 400)
        self.settings |= spec
        if self.settings["token_revoked"]:
            await self.do_close({"code": 4004})
        self.touch()
        return {"settings": self.settings}

    async def do_flood(self, spec: Json) -> Json:
        self.flood = Flood(self.counts["posted"])
        self.start(self.pour(self.flood, int(spec["events"]), float(spec["per_second"]), spec))
        return {}

    async def pour(self, flood: Flood, events: int, per_second: float, spec: Json) -> None:
        begun = time.monotonic()
        for number in range(events):
            await asyncio.sleep(max(0.0, begun + number / per_second - time.monotonic()))
            user = self.add_user(number % int(spec.get("users", 1)) + 1)
            self.speak({"text": spec["text"]}, self.place({"channel": spec.get("channel", user)}), user)
            flood.sent += 1
        flood.done = True

    def state(self) -> Json:
        interactions = []
        for item in self.interactions:
            shown = {m["id"]: m for m in self.messages[item["channel"]]}
            kept = {key: item[key] for key in ("id", "kind", "name", "user", "channel", "message", "ephemeral")}
            interactions.append({**kept, **(item["answer"] or {"type": None, "data": None, "ms": None}),
                                 "original": shown.get(item["original"]),
                                 "followups": [shown[key] for key in item["followups"] if key in shown]})
        sessions = [{"id": s.id, "connected": s.link is not None, "intents": s.intents, "shard": s.shard, "seq": s.seq}
                    for s in self.sessions.values()]
        threads = {short: known for short, known in self.channels.items() if "parent" in known}
        return {
            "ids": {**self.ids, **self.names}, "messages": {short: self.messages[short] for short in self.channels},
            "threads": threads, "interactions": interactions, "sessions": sessions, "calls": self.calls,
            **{name: self.counts[name] for name in ("identifies", "resumes", "heartbeats", "invalid_requests")},
            **{name: getattr(self, name) for name in (
                "commands", "reactions", "rejected", "typing", "files", "deleted", "closes")}}

    def holds(self, asked: dict[str, str]) -> bool:
        """Whether everything is there that somebody waits for."""
        places = [self.place(asked)] if "channel" in asked else list(self.messages)
        current = [message for place in places for message in self.messages[place]]
        counts = {"messages": sum(m["user"] == "BOT" and not m["flags"] & LOADING for m in current),
                  "interactions": sum(i["answer"] is not None for i in self.interactions),
                  "reactions": sum(r["user"] == "BOT" for r in self.reactions), "typing": len(self.typing),
                  "commands": sum(map(len, self.commands.values())),
                  **{name: self.counts[name] for name in ("identifies", "resumes", "heartbeats")}}
        if any(count < int(asked.get(name, 0)) for name, count in counts.items()):
            return False
        if len(self.faults) > int(asked.get("faults", len(self.faults))):
            return False
        if int(asked.get("sessions", len(self.links()))) != len(self.links()):
            return False
        if "thread" in asked and asked["thread"] not in [self.ids[short] for short, known in self.channels.items()
                                                         if "parent" in known]:
            return False
        return "text" not in asked or any(asked["text"] in json.dumps(
            [message[name] for name in ("content", "embeds", "components", "attachments")], ensure_ascii=False)
            for message in current)

    async def wait(self, asked: dict[str, str]) -> bool:
        until = time.monotonic() + float(asked.get("timeout", 10))
        while not self.holds(asked):
            try:
                await asyncio.wait_for(self.change.wait(), until - time.monotonic())
            except asyncio.TimeoutError:
                return self.holds(asked)
        return True

    def take_fault(self, *routes: str) -> Json:
        for fault in self.faults:
            if any(fault["route"] in route for route in routes) or fault["route"] == "*" and "/gw" not in routes[0]:
                fault["times"] -= 1
                if fault["times"] <= 0:
                    self.faults.remove(fault)
                    self.touch()
                return fault
        return {"kind": ""}


class Double:
    """The HTTP server, with all worlds."""

    def __init__(self, schemas: Optional[Schemas]) -> None:
        self.base, self.schemas = "", schemas
        self.worlds: dict[str, World] = {}

    def world(self, name: str) -> World:
        if name not in self.worlds:
            self.worlds[name] = World(name, self.base, self.schemas)
        return self.worlds[name]

    def app(self) -> web.Application:
        app = web.Application(client_max_size=1 << 28, middlewares=[self.guarded])
        app.add_routes([
            web.route("*", "/api/v10/{path:.*}", self.api), web.get("/gw", self.gateway),
            web.get("/gw/{name}", self.gateway), web.get("/attachments/{name}/{key}/{file}", self.attachment),
            web.get("/_double/{name}/{what:state|wait|flood}", self.look),
            web.post("/_double/{name}/{action}", self.do)])
        return app

    @web.middleware
    async def guarded(self, request: web.Request, handler: Any) -> web.StreamResponse:
        try:
            return await handler(request)
        except (web.HTTPException, asyncio.CancelledError):
            raise
        except Exception:
            logging.exception("%s %s failed", request.method, request.path)
            return web.json_response({"message": "500: Internal Server Error", "code": 0}, status=500)

    async def faulty(self, world: World, fault: Json, request: web.Request, handler: Any) -> web.StreamResponse:
        kind = fault["kind"]
        if kind == "429":
            world.counts["invalid_requests"] += 1
            wait, everywhere = float(fault.get("retry_after", 1)), bool(fault.get("global"))
            scope = {"X-RateLimit-Global": "true"} if everywhere else {}
            return web.json_response(
                {"message": "You are being rate limited.", "retry_after": wait, "global": everywhere}, status=429,
                headers={**self.limits(request.path, 0, wait), **scope, "Retry-After": str(math.ceil(wait)),
                         "X-RateLimit-Scope": "global" if everywhere else "user"})
        if kind == "500":
            return web.json_response({"message": "500: Internal Server Error", "code": 0}, status=500)
        if kind == "html502":
            return web.Response(status=502, text="<html><h1>502 Bad Gateway</h1></html>", content_type="text/html")
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

    @staticmethod
    def limits(route: str, remaining: int = 999, after: float = 1.0) -> dict[str, str]:
        return {"X-RateLimit-Limit": "1000", "X-RateLimit-Remaining": str(remaining),
                "X-RateLimit-Reset": f"{time.time() + after:.3f}", "X-RateLimit-Reset-After": f"{after:.3f}",
                "X-RateLimit-Bucket": hashlib.md5(route.encode()).hexdigest()}

    def owner(self, request: web.Request, path: str) -> Optional[World]:
        """The world of a request: of its bot token, or of the interaction token in its path."""
        token = TOKEN.fullmatch(request.headers.get("Authorization", ""))
        if token:
            return self.world(token[1])
        known = [world for world in self.worlds.values() for i in world.interactions if i["token"] in path.split("/")]
        return known[0] if known else None

    async def api(self, request: web.Request) -> web.StreamResponse:
        path = "/" + request.match_info["path"]
        world = self.owner(request, path)
        places = [(known, found) for known in ROUTES if known.method == request.method
                  and (found := known.pattern.fullmatch(path))]
        # A literal step goes before a named one.
        known, found = min(places, key=lambda place: place[0].template.count("{"), default=(None, None))
        if not known or not found:
            if world:
                world.reject(f"{request.method} {path}", "404: no such route")
            return web.json_response({"message": "404: Not Found", "code": 0}, status=404)
        if not world and path == "/gateway":
            return web.json_response({"url": f"{self.base.replace('http', 'ws', 1)}/gw"}, headers=self.limits(path))
        if not world:
            return web.json_response({"message": "401: Unauthorized", "code": 0}, status=401)
        name = f"{request.method} {known.template}"
        world.calls[name] += 1
        return await self.faulty(world, world.take_fault(name, f"{request.method} {path}"), request,
                                 lambda asked: self.serve(world, known, found, name, path, asked))

    async def serve(self, world: World, known: Route, found: re.Match, name: str, path: str,
                    request: web.Request) -> web.Response:
        headers, authorization = self.limits(name), request.headers.get("Authorization", "")
        try:
            bot = TOKEN.fullmatch(authorization) and authorization.startswith("Bot ")
            if known.bot and (not bot or world.settings["token_revoked"] or world.settings["unauthorized"]):
                raise ApiError(401, 0, "401: Unauthorized")
            call = await self.read(request)
            if world.schemas and request.method in ("POST", "PUT", "PATCH") and call.body:
                if fault := world.schemas.fault(request.method, path, call.body):
                    world.reject(name, fault)
            answer = getattr(world, known.handler)(call, **found.groupdict())
        except ApiError as error:
            world.counts["invalid_requests"] += error.status in (401, 403)
            why = f"{error.status}, {error.body['code']}: {error.body['message']}"
            world.reject(name, why, error.body.get("errors"))
            return web.json_response(error.body, status=error.status, headers=headers)
        if answer is None:
            return web.Response(status=204, headers=headers)
        return web.json_response(answer, headers=headers)

    @staticmethod
    async def read(request: web.Request) -> Call:
        files: dict[str, tuple[str, str, bytes]] = {}
        try:
            if request.content_type == "multipart/form-data":
                form = await request.post()
                described = form.get("payload_json", "{}")
                body = json.loads(described if isinstance(described, str) else bytes(described))
                for name, part in form.items():
                    if (number := re.fullmatch(r"files\[(\d+)\]", name)) and isinstance(part, web.FileField):
                        files[number[1]] = (part.filename, part.content_type, part.file.read())
            else:
                body = json.loads(await request.read() or b"{}")
        except ValueError:
            raise ApiError(400, 50109, "The request body contains invalid JSON.") from None
        if isinstance(body, list) != (request.method == "PUT" and request.path.endswith("/commands")):
            raise ApiError(400, 50035, "Invalid Form Body", {"_errors": [{
                "code": "MODEL_TYPE_CONVERT", "message": "Only dictionaries may be used in a ModelType"}]})
        return Call(dict(request.query), body, files)

    async def gateway(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info.get("name")
        fault = self.world(name).take_fault("GET /gw") if name else {"kind": ""}
        return await self.faulty(self.world(name or "shared"), fault, request, self.listen)

    async def listen(self, request: web.Request) -> web.StreamResponse:
        name, query = request.match_info.get("name"), request.query
        socket = web.WebSocketResponse(timeout=2, max_msg_size=1 << 16)
        await socket.prepare(request)
        link = Link(socket, request.transport, zlib.compressobj() if query.get("compress") == "zlib-stream" else None)
        world, writer = self.world(name) if name else None, asyncio.ensure_future(link.write())
        if query.get("v") != "10" or query.get("encoding", "json") != "json":
            link.put(4012)
        interval = (world.settings if world else SETTINGS)["heartbeat_interval"]
        link.put({"op": 10, "d": {"heartbeat_interval": interval, "_trace": []}, "s": None, "t": None})
        try:
            async for message in socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    world = self.hear(link, world, message.data)
        except ConnectionError:
            pass
        finally:
            if world:
                world.detach(link, socket.close_code)
            if link.closing is None:
                writer.cancel()
            await asyncio.wait([writer])
        return socket

    def hear(self, link: Link, world: Optional[World], text: str | bytes) -> Optional[World]:
        try:
            payload = json.loads(text)
            op, data = payload["op"], payload.get("d")
        except (ValueError, KeyError, TypeError):
            link.put(4002)
            return world
        if op in (2, 6):
            token = TOKEN.fullmatch(str(data.get("token"))) if isinstance(data, dict) else None
            if link.session or not token:
                link.put(4005 if link.session else 4004)
                return world
            world = self.world(token[1])
            (world.identify if op == 2 else world.resume)(link, data)
        elif op == 1:
            if world:
                world.counts["heartbeats"] += 1
                world.touch()
            if not world or not world.settings["mute_acks"]:
                link.put({"op": 11})
        elif op not in (3, 4, 8, 31):
            link.put(4001)
        elif not link.session:
            link.put(4003)
        return world

    async def attachment(self, request: web.Request) -> web.Response:
        world, key = self.world(request.match_info["name"]), request.match_info["key"]
        if key not in world.bodies:
            raise web.HTTPNotFound
        return web.Response(body=world.bodies[key], content_type=world.files[key]["content_type"].partition(";")[0])

    async def look(self, request: web.Request) -> web.Response:
        world, what = self.world(request.match_info["name"]), request.match_info["what"]
        if what == "flood":
            return web.json_response({"ok": True, "sent": world.flood.sent, "done": world.flood.done,
                                      "replies": world.counts["posted"] - world.flood.before})
        try:
            held = what == "state" or await world.wait(dict(request.query))
        except (ValueError, Refused) as error:
            return web.json_response({"ok": False, "error": str(error)}, status=400)
        return web.json_response(world.state() | {"ok": held}, status=200 if held else 408)

    async def do(self, request: web.Request) -> web.Response:
        world, action = self.world(request.match_info["name"]), request.match_info["action"]
        try:
            spec, work = json.loads(await request.read() or b"{}"), getattr(world, f"do_{action}", None)
            if not work:
                raise Refused(f"no action {action}")
            return web.json_response({"ok": True, **await work(spec)})
        except Refused as why:
            return web.json_response({"ok": False, "error": str(why)}, status=why.status)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            logging.warning("control request %s of %s", action, world.name, exc_info=True)
            return web.json_response({"ok": False, "error": repr(error)}, status=400)


async def serve(port: int, ready: str, schemas: Optional[Schemas]) -> None:
    double = Double(schemas)
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
    for link in [link for world in double.worlds.values() for link in world.links()]:
        link.transport.abort()
    await runner.cleanup()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A test double of Discord.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--ready", required=True, help="file for the base URL")
    parser.add_argument("--openapi", help="Discord's description of its API")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="discord double: %(message)s")
    asyncio.run(serve(arguments.port, arguments.ready, Schemas(arguments.openapi) if arguments.openapi else None))
