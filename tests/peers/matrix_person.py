#!/usr/bin/env python3
"""People who use Matrix, as real clients (matrix-nio, end-to-end encrypted) that tests drive over HTTP.

    matrix_person.py --homeserver URL --secret SHARED_SECRET [--port N] --ready FILE
                                             needs matrix-nio[e2e], aiohttp, signedjson

FILE gets the base URL once it listens; it runs until SIGTERM. People are named by the local part of their id; one
comes into being, syncs and joins where they are invited from the first use of their name. A device is named
`PERSON/DEVICE` (its id: PERSON.DEVICE), `PERSON` alone meaning their PHONE. PHONE is signed by its owner's
cross-signing identity; other devices are not, unless told to `sign`. Room ids, user ids and event ids are Matrix's
own. All in JSON; POST /ACTION ({"error": …} and HTTP 400 when refused):

    account     person, password? ("password"), name?, admin?     an account for somebody else's client → user
    login       person                                            a session for somebody else's client → token, device
    rename      person, name                                      what they are called
    device      person                                            the device exists and syncs → user, device
    sign        person                                            its owner signs this device
    reset       person                                            a new identity, which signs this device alone
    secrets     person                                            makes an identity for somebody else's account and keeps
                                                                  its secrets there, as Element does → recovery_key
    room        person, invite? [user ids], encrypted?, direct?, name?                       → room
    invite, kick  person, room, user
    join, leave   person, room
    encrypt     person, room                                      switches encryption on
    state       person, room, type, content                       says something of the room
    say         person, room, text, html?, thread? (its root), reply? (an event), mention? (a user id, shown as a pill
                before the text), edit? (the event replaced), notice?, clear? (in clear in an encrypted room),
                withhold? [device ids that get no key]              → event
    share       person, room                                      the key of its last messages, to all devices
    picture     person, room, bytes (base64), text                → event
    react       person, room, event, key                          → event
    redact      person, room, event
    send        person, room, type, content, hiding?              anything, in clear; `hiding` encrypted, and what it
                                                                  relates to is for its readers → event
    repeat      person, room, event             the same event once more, as the homeserver has it        → event
    typing      person, room
    limit       user, per_second?, burst?                         429 above that; without both: no limit
    revoke      user, device?                                     its access tokens (or all) hold no longer
    devices     user                                              what the server says: {device: signed by its owner}

    GET rooms?person=           the rooms they are in: {room: [members]}
    GET seen?person=&room=      messages, oldest first (below); state: members, encrypted, typing (who ever did)
    GET wait?person=&room=&…    the same as soon as all given conditions hold, HTTP 408 with it after `timeout`
                (10 s). Of messages: text (in body, formatted body or edits), sender, event, reaction (a key), edits
                (at least so many), and count (at least so many for which all those hold); of the room: member
                (a user id that joined), typing (a user id)

A message as seen: event, sender, type, encrypted (it came encrypted), readable, msgtype, body, html, thread, reply,
mentions, at, content, edits [{event, body, html, encrypted, content}], reactions {key: [senders]}, redacted, and for files
file {name, alt, type, size, width, height, encrypted, sha256 of what was downloaded and decrypted}.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import hmac
import html
import io
import json
import logging
import os
import signal
from typing import Any, Optional
from urllib.parse import quote

import aiohttp
import nio
from aiohttp import web
from nacl.signing import SigningKey
from nio.crypto.attachments import decrypt_attachment
from nio.store import SqliteMemoryStore
from signedjson.key import decode_verify_key_bytes
from signedjson.sign import SignatureVerifyException, sign_json, verify_signed_json
from unpaddedbase64 import decode_base64, encode_base64

import secret_storage

Json = dict[str, Any]
PHONE = "PHONE"
MEGOLM = "m.megolm.v1.aes-sha2"


class Refused(Exception):
    """A control request that cannot be done."""


class Homeserver:
    """The client-server API and Synapse's admin API, for what nio cannot do."""

    def __init__(self, url: str, secret: str, session: aiohttp.ClientSession) -> None:
        self.url, self.secret, self.session = url, secret, session
        self.admin: Optional[str] = None

    async def call(self, method: str, path: str, token: Optional[str] = None, body: Any = None) -> Json:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with self.session.request(method, self.url + path, json=body, headers=headers) as answer:
            said = await answer.json()
            if answer.status >= 400:
                raise Refused(f"{method} {path}: {answer.status} {said}")
            return said

    async def register(self, person: str, password: str, name: Optional[str], admin: bool, login: bool) -> Json:
        nonce = (await self.call("GET", "/_synapse/admin/v1/register"))["nonce"]
        told = "\0".join([nonce, person, password, "admin" if admin else "notadmin"])
        mac = hmac.new(self.secret.encode(), told.encode(), hashlib.sha1).hexdigest()
        body = {"nonce": nonce, "username": person, "password": password, "displayname": name or person,
                "admin": admin, "mac": mac, "inhibit_login": not login}
        return await self.call("POST", "/_synapse/admin/v1/register", body=body)

    async def as_admin(self, method: str, path: str, body: Any = None) -> Json:
        if self.admin is None:
            name = f"root{os.getpid()}"
            self.admin = (await self.register(name, "password", None, True, True))["access_token"]
        return await self.call(method, f"/_synapse/admin/{path}", self.admin, body)


class SigningPair:
    """A cross-signing key. Its name is its public half."""

    alg = "ed25519"

    def __init__(self, user: str, usage: str) -> None:
        self.user, self.usage, self.key = user, usage, SigningKey.generate()
        self.version = encode_base64(self.key.verify_key.encode())

    def sign(self, message: bytes) -> Any:
        return self.key.sign(message)

    def public(self) -> Json:
        return {"user_id": self.user, "usage": [self.usage], "keys": {f"ed25519:{self.version}": self.version}}


class Identity:
    """What a person signs their devices with."""

    def __init__(self, user: str) -> None:
        self.master, self.own, self.others = (
            SigningPair(user, usage) for usage in ("master", "self_signing", "user_signing"))

    def upload(self, password: str) -> Json:
        user = self.master.user
        own, others = (sign_json(pair.public(), user, self.master) for pair in (self.own, self.others))
        return {"master_key": self.master.public(), "self_signing_key": own, "user_signing_key": others,
                "auth": {"type": "m.login.password", "password": password,
                         "identifier": {"type": "m.id.user", "user": user}}}


class Device:
    """One client of one person."""

    def __init__(self, server: Homeserver, person: str, name: str) -> None:
        # nio gives no key to a device of the same name as its own, whoever's it is.
        self.server, self.person, self.name = server, person, f"{person}.{name}"
        self.client = nio.AsyncClient(
            server.url, f"@{person}:localhost", device_id=self.name, store_path="/nowhere",
            config=nio.AsyncClientConfig(store=SqliteMemoryStore, encryption_enabled=True, max_limit_exceeded=0))
        self.events: dict[str, dict[str, nio.Event]] = {}
        self.typed: dict[str, set[str]] = {}
        self.files: dict[str, Json] = {}
        self.readers: dict[str, Any] = {}
        self.keys: dict[str, Json] = {}
        self.changed = asyncio.Event()
        self.sending = asyncio.Lock()
        self.client.add_event_callback(self.on_event, nio.Event)
        self.client.add_event_callback(self.on_invite, nio.InviteMemberEvent)
        self.client.add_ephemeral_callback(self.on_typing, nio.TypingNoticeEvent)
        self.task: Optional[asyncio.Task] = None

    async def start(self, password: str) -> None:
        answer = await self.client.login(password, device_name=self.name)
        if not isinstance(answer, nio.LoginResponse):
            raise Refused(str(answer))
        await self.client.keys_upload()
        self.task = asyncio.create_task(self.sync())

    async def sync(self) -> None:
        full = True
        while True:
            answer = await self.client.sync(timeout=20_000, full_state=full)
            if isinstance(answer, nio.SyncResponse):
                full = False
                if self.client.should_upload_keys:
                    await self.client.keys_upload()
                await self.client.send_to_device_messages()
            else:
                logging.warning("sync of %s: %s", self.person, answer)
                await asyncio.sleep(0.5)
            self.tell()

    def tell(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()

    async def on_event(self, room: nio.MatrixRoom, event: nio.Event) -> None:
        self.events.setdefault(room.room_id, {})[event.event_id] = event

    async def on_invite(self, room: nio.MatrixRoom, event: nio.InviteMemberEvent) -> None:
        if event.membership == "invite" and event.state_key == self.client.user_id:
            await self.client.join(room.room_id)

    async def on_typing(self, room: nio.MatrixRoom, event: nio.TypingNoticeEvent) -> None:
        self.typed.setdefault(room.room_id, set()).update(event.users)

    async def until(self, holds: Any, seconds: float) -> bool:
        deadline = asyncio.get_running_loop().time() + seconds
        while not await holds():
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                return False
            try:
                await asyncio.wait_for(self.changed.wait(), left)
            except asyncio.TimeoutError:
                pass
        return True

    async def knows(self, room: str) -> nio.MatrixRoom:
        async def known() -> bool:
            return room in self.client.rooms

        if not await self.until(known, 10):
            raise Refused(f"{self.person} is not in {room}")
        return self.client.rooms[room]

    async def put(self, room: str, kind: str, content: Json) -> str:
        path = f"/_matrix/client/v3/rooms/{quote(room)}/send/{quote(kind)}/{os.urandom(8).hex()}"
        return (await self.server.call("PUT", path, self.client.access_token, content))["event_id"]

    async def send_hiding(self, room: str, kind: str, content: Json) -> str:
        """Encrypted, with what it relates to told to nobody but the readers."""
        known = await self.knows(room)
        async with self.sending:
            await self.give_keys(known)
            if self.client.olm.should_share_group_session(room):
                good(await self.client.share_group_session(room, ignore_unverified_devices=True))
            kind, sealed = self.client.encrypt(room, kind, content)
            return await self.put(room, kind, {name: sealed[name] for name in sealed if name != "m.relates_to"})

    async def send(self, room: str, kind: str, content: Json, clear: bool = False, withhold: tuple = ()) -> str:
        known = await self.knows(room)
        async with self.sending:
            if not known.encrypted or clear or kind == "m.reaction":
                return await self.put(room, kind, content)
            await self.give_keys(known, withhold)
            answer = await self.client.room_send(room, kind, content, ignore_unverified_devices=True)
            return good(answer).event_id

    async def give_keys(self, room: nio.MatrixRoom, withhold: tuple = ()) -> None:
        """A session of its own for each set of devices, so that who joined a moment ago can read."""
        good(await self.client.joined_members(room.room_id))
        self.client.olm.add_changed_users(set(room.users))
        good(await self.client.keys_query())
        for device in self.devices(room):
            barred = device.device_id in withhold
            (self.client.blacklist_device if barred else self.client.unblacklist_device)(device)
        readers = {device.curve25519 for device in self.devices(room) if device.device_id not in withhold}
        if self.readers.get(room.room_id) != readers:
            self.client.olm.create_outbound_group_session(room.room_id)
            session = self.client.olm.outbound_group_sessions[room.room_id]
            # A session only ever tells the key of what is still to come.
            self.keys[room.room_id] = {"algorithm": MEGOLM, "room_id": room.room_id, "session_id": session.id,
                                       "session_key": session.session_key}
            self.readers[room.room_id] = readers

    def devices(self, room: nio.MatrixRoom) -> list[Any]:
        """All in the room but this one."""
        store = self.client.device_store
        found = [device for user in room.users for device in store.active_user_devices(user)]
        return [device for device in found if device.device_id != self.name]

    async def share(self, room: str) -> None:
        """Gives everybody the key of the last session, from its beginning."""
        known, olm = await self.knows(room), self.client.olm
        messages: Json = {}
        for device in self.devices(known):
            sealed = olm._olm_encrypt(olm.session_store.get(device.curve25519), device, "m.room_key", self.keys[room])
            messages.setdefault(device.user_id, {})[device.device_id] = sealed
        path = f"/_matrix/client/v3/sendToDevice/m.room.encrypted/{os.urandom(8).hex()}"
        await self.server.call("PUT", path, self.client.access_token, {"messages": messages})

    async def content(self, spec: Json, room: nio.MatrixRoom) -> Json:
        text, page = spec["text"], spec.get("html")
        content: Json = {"msgtype": "m.notice" if spec.get("notice") else "m.text", "body": text}
        if mention := spec.get("mention"):
            name = room.user_name(mention) or mention
            page = f'<a href="https://matrix.to/#/{mention}">{html.escape(name)}</a>: {page or html.escape(text)}'
            content |= {"body": f"{name}: {text}", "m.mentions": {"user_ids": [mention]}}
        if page:
            content |= {"format": "org.matrix.custom.html", "formatted_body": page}
        if root := spec.get("thread"):
            content["m.relates_to"] = {"rel_type": "m.thread", "event_id": root, "is_falling_back": True,
                                       "m.in_reply_to": {"event_id": spec.get("reply", root)}}
        elif reply := spec.get("reply"):
            content["m.relates_to"] = {"m.in_reply_to": {"event_id": reply}}
        if edited := spec.get("edit"):
            content = content | {"body": f"* {content['body']}", "m.new_content": content,
                                 "m.relates_to": {"rel_type": "m.replace", "event_id": edited}}
        return content

    async def picture(self, spec: Json) -> str:
        room, data = await self.knows(spec["room"]), base64.b64decode(spec["bytes"])
        answer, keys = await self.client.upload(
            io.BytesIO(data), "image/png", "picture.png", encrypt=room.encrypted, filesize=len(data))
        uri = good(answer).content_uri
        content = {"msgtype": "m.image", "body": spec["text"], "info": {"mimetype": "image/png", "size": len(data)}}
        content |= {"file": keys | {"url": uri}} if room.encrypted else {"url": uri}
        return await self.send(spec["room"], "m.room.message", content)

    async def look(self, room: str) -> Json:
        """What this person sees in a room."""
        messages: dict[str, Json] = {}
        redacted: set[str] = set()
        for event in list(self.events.get(room, {}).values()):
            event = self.readable(room, event)
            source, content = event.source, event.source.get("content", {})
            relation = content.get("m.relates_to") or {}
            target = messages.get(relation.get("event_id", ""))
            if isinstance(event, nio.RedactionEvent):
                redacted.add(event.redacts)
            elif source["type"] == "m.reaction" and target:
                target["reactions"].append((relation.get("key"), event.sender, event.event_id))
            elif relation.get("rel_type") == "m.replace" and target and "m.new_content" in content:
                if event.sender == target["sender"]:
                    new = content["m.new_content"]
                    target["edits"].append({"event": event.event_id, "body": new.get("body"),
                                            "html": new.get("formatted_body"), "encrypted": event.decrypted,
                                            "content": new})
            elif source["type"] in ("m.room.message", "m.room.encrypted", "m.sticker"):
                messages[event.event_id] = await self.message(event, content, relation)
        for message in messages.values():
            reactions: dict[str, list[str]] = {}
            for key, sender, event in message["reactions"]:
                if event not in redacted:
                    reactions.setdefault(key, []).append(sender)
            message["reactions"] = reactions
            message["redacted"] = not message.pop("whole") or message["event"] in redacted
        known = self.client.rooms.get(room)
        state = {"members": members(known) if known else [], "encrypted": bool(known and known.encrypted),
                 "typing": sorted(self.typed.get(room, ()))}
        return {"messages": list(messages.values()), "state": state}

    def readable(self, room: str, event: nio.Event) -> nio.Event:
        """Tries again what could not be decrypted when it came."""
        if isinstance(event, nio.MegolmEvent):
            try:
                event = self.client.decrypt_event(event)
                self.events[room][event.event_id] = event
            except nio.EncryptionError:
                pass
        return event

    async def message(self, event: nio.Event, content: Json, relation: Json) -> Json:
        threaded = relation.get("rel_type") == "m.thread"
        reply = (relation.get("m.in_reply_to") or {}).get("event_id")
        message = {
            "event": event.event_id, "sender": event.sender, "type": event.source["type"], "whole": bool(content),
            "encrypted": event.decrypted or isinstance(event, nio.MegolmEvent),
            "readable": not isinstance(event, nio.MegolmEvent), "msgtype": content.get("msgtype"),
            "body": content.get("body"), "html": content.get("formatted_body"),
            "thread": relation["event_id"] if threaded else None,
            "reply": None if threaded and relation.get("is_falling_back") else reply,
            "mentions": (content.get("m.mentions") or {}).get("user_ids", []), "at": event.server_timestamp,
            "content": content, "edits": [], "reactions": []}
        if "url" in content or "file" in content:
            if event.event_id not in self.files:
                self.files[event.event_id] = await self.file(content)
            message["file"] = self.files[event.event_id]
        return message

    async def file(self, content: Json) -> Json:
        info, sealed = content.get("info") or {}, content.get("file")
        data = good(await self.client.download((sealed or content)["url"])).body
        if sealed:
            data = decrypt_attachment(data, sealed["key"]["k"], sealed["hashes"]["sha256"], sealed["iv"])
        return {"name": content.get("filename", content.get("body")), "alt": content.get("body"),
                "type": info.get("mimetype"), "size": len(data), "width": info.get("w"), "height": info.get("h"),
                "encrypted": bool(sealed), "sha256": hashlib.sha256(data).hexdigest()}


def members(room: nio.MatrixRoom) -> list[str]:
    return sorted(set(room.users) - set(room.invited_users))


def good(answer: Any) -> Any:
    if isinstance(answer, nio.ErrorResponse):
        raise Refused(str(answer))
    return answer


class People:
    """Everybody, and what they can be told to do."""

    def __init__(self, server: Homeserver) -> None:
        self.server = server
        self.devices: dict[str, Device] = {}
        self.identities: dict[str, Identity] = {}
        self.coming: dict[str, asyncio.Lock] = {}

    async def device(self, name: str) -> Device:
        person, _, device = name.partition("/")
        device = device or PHONE
        async with self.coming.setdefault(person, asyncio.Lock()):
            key = f"{person}/{device}"
            if key not in self.devices:
                if not any(other.person == person for other in self.devices.values()):
                    await self.server.register(person, "password", None, False, False)
                made = Device(self.server, person, device)
                await made.start("password")
                self.devices[key] = made
                if device == PHONE:
                    await self.sign(made)
            return self.devices[key]

    async def sign(self, device: Device, reset: bool = False) -> None:
        user, token = device.client.user_id, device.client.access_token
        if reset or device.person not in self.identities:
            identity = Identity(user)
            upload = "/_matrix/client/v3/keys/device_signing/upload"
            await self.server.call("POST", upload, token, identity.upload("password"))
            self.identities[device.person] = identity
        found = await self.query(user, token)
        keys = found["device_keys"][user][device.name]
        keys = {key: value for key, value in keys.items() if key not in ("signatures", "unsigned")}
        signed = sign_json(keys, user, self.identities[device.person].own)
        answer = await self.server.call(
            "POST", "/_matrix/client/v3/keys/signatures/upload", token, {user: {device.name: signed}})
        if answer.get("failures"):
            raise Refused(str(answer))

    async def query(self, user: str, token: str) -> Json:
        return await self.server.call("POST", "/_matrix/client/v3/keys/query", token, {"device_keys": {user: []}})

    async def do_account(self, spec: Json) -> Json:
        made = await self.server.register(
            spec["person"], spec.get("password", "password"), spec.get("name"), spec.get("admin", False), False)
        return {"user": made["user_id"]}

    async def do_login(self, spec: Json) -> Json:
        who = {"type": "m.id.user", "user": spec["person"]}
        body = {"type": "m.login.password", "identifier": who, "password": "password"}
        made = await self.server.call("POST", "/_matrix/client/v3/login", body=body)
        return {"token": made["access_token"], "device": made["device_id"]}

    async def do_rename(self, spec: Json) -> Json:
        good(await (await self.device(spec["person"])).client.set_displayname(spec["name"]))
        return {}

    async def do_device(self, spec: Json) -> Json:
        device = await self.device(spec["person"])
        return {"user": device.client.user_id, "device": device.name}

    async def do_sign(self, spec: Json) -> Json:
        await self.sign(await self.device(spec["person"]))
        return {}

    async def do_reset(self, spec: Json) -> Json:
        await self.sign(await self.device(spec["person"]), reset=True)
        return {}

    async def do_secrets(self, spec: Json) -> Json:
        token = (await self.do_login(spec))["token"]
        user = (await self.server.call("GET", "/_matrix/client/v3/account/whoami", token))["user_id"]
        identity, key, name = Identity(user), os.urandom(32), encode_base64(os.urandom(24))
        await self.server.call(
            "POST", "/_matrix/client/v3/keys/device_signing/upload", token, identity.upload("password"))
        kept = {f"m.secret_storage.key.{name}": secret_storage.description(key),
                "m.secret_storage.default_key": {"key": name}}
        for pair in (identity.master, identity.own, identity.others):
            kind = f"m.cross_signing.{pair.usage}"
            secret = encode_base64(bytes(pair.key)).encode()
            kept[kind] = {"encrypted": {name: secret_storage.seal(key, kind, secret)}}
        for kind, content in kept.items():
            path = f"/_matrix/client/v3/user/{quote(user)}/account_data/{quote(kind, safe='')}"
            await self.server.call("PUT", path, token, content)
        return {"recovery_key": secret_storage.printed(key)}

    async def do_room(self, spec: Json) -> Json:
        device, state = await self.device(spec["person"]), []
        if spec.get("encrypted"):
            state.append({"type": "m.room.encryption", "state_key": "", "content": {"algorithm": MEGOLM}})
        made = good(await device.client.room_create(
            name=spec.get("name"), invite=spec.get("invite", []), is_direct=spec.get("direct", False),
            preset=nio.RoomPreset.trusted_private_chat if spec.get("direct") else nio.RoomPreset.private_chat,
            initial_state=state))
        return {"room": made.room_id}

    async def do_invite(self, spec: Json) -> Json:
        device = await self.device(spec["person"])
        good(await device.client.room_invite(spec["room"], spec["user"]))
        return {}

    async def do_kick(self, spec: Json) -> Json:
        device = await self.device(spec["person"])
        good(await device.client.room_kick(spec["room"], spec["user"]))
        return {}

    async def do_join(self, spec: Json) -> Json:
        good(await (await self.device(spec["person"])).client.join(spec["room"]))
        return {}

    async def do_leave(self, spec: Json) -> Json:
        good(await (await self.device(spec["person"])).client.room_leave(spec["room"]))
        return {}

    async def do_state(self, spec: Json) -> Json:
        device = await self.device(spec["person"])
        good(await device.client.room_put_state(spec["room"], spec["type"], spec["content"]))
        return {}

    async def do_encrypt(self, spec: Json) -> Json:
        device = await self.device(spec["person"])
        good(await device.client.room_put_state(spec["room"], "m.room.encryption", {"algorithm": MEGOLM}))
        return {}

    async def do_say(self, spec: Json) -> Json:
        device = await self.device(spec["person"])
        content = await device.content(spec, await device.knows(spec["room"]))
        return {"event": await device.send(spec["room"], "m.room.message", content, spec.get("clear", False),
                                           tuple(spec.get("withhold", ())))}

    async def do_share(self, spec: Json) -> Json:
        await (await self.device(spec["person"])).share(spec["room"])
        return {}

    async def do_picture(self, spec: Json) -> Json:
        return {"event": await (await self.device(spec["person"])).picture(spec)}

    async def do_react(self, spec: Json) -> Json:
        relation = {"rel_type": "m.annotation", "event_id": spec["event"], "key": spec["key"]}
        device = await self.device(spec["person"])
        return {"event": await device.send(spec["room"], "m.reaction", {"m.relates_to": relation})}

    async def do_redact(self, spec: Json) -> Json:
        good(await (await self.device(spec["person"])).client.room_redact(spec["room"], spec["event"]))
        return {}

    async def do_send(self, spec: Json) -> Json:
        device = await self.device(spec["person"])
        if spec.get("hiding"):
            return {"event": await device.send_hiding(spec["room"], spec["type"], spec["content"])}
        return {"event": await device.send(spec["room"], spec["type"], spec["content"], clear=True)}

    async def do_repeat(self, spec: Json) -> Json:
        device = await self.device(spec["person"])
        path = f"/_matrix/client/v3/rooms/{quote(spec['room'])}/event/{quote(spec['event'])}"
        event = await self.server.call("GET", path, device.client.access_token)
        return {"event": await device.send(spec["room"], event["type"], event["content"], clear=True)}

    async def do_typing(self, spec: Json) -> Json:
        good(await (await self.device(spec["person"])).client.room_typing(spec["room"]))
        return {}

    async def do_limit(self, spec: Json) -> Json:
        path, burst = f"v1/users/{quote(spec['user'])}/override_ratelimit", spec.get("burst")
        if burst is None:
            await self.server.as_admin("DELETE", path)
        else:
            limit = {"messages_per_second": spec.get("per_second", 1), "burst_count": burst}
            await self.server.as_admin("POST", path, limit)
        return {}

    async def do_revoke(self, spec: Json) -> Json:
        path = f"v2/users/{quote(spec['user'])}/devices"
        devices = [spec["device"]] if "device" in spec else [
            device["device_id"] for device in (await self.server.as_admin("GET", path))["devices"]]
        for device in devices:
            await self.server.as_admin("DELETE", f"{path}/{quote(device)}")
        return {}

    async def do_devices(self, spec: Json) -> Json:
        """Checked here from the master key downwards, with nothing of the clients' own."""
        user = spec["user"]
        await self.server.as_admin("GET", f"v2/users/{quote(user)}")
        found = await self.query(user, self.server.admin or "")
        master = found.get("master_keys", {}).get(user)
        own = found.get("self_signing_keys", {}).get(user)

        def signed_by(what: Json, key: Optional[Json]) -> bool:
            try:
                (name, value), = key["keys"].items()
                verify_signed_json(what, user, decode_verify_key_bytes(name, decode_base64(value)))
                return True
            except (SignatureVerifyException, TypeError, AttributeError):
                return False

        trusted = own is not None and signed_by(own, master)
        devices = found.get("device_keys", {}).get(user, {})
        return {"devices": {name: trusted and signed_by(keys, own) for name, keys in devices.items()}}

    async def look(self, query: Json) -> tuple[Json, bool]:
        device = await self.device(query["person"])
        seen: Json = {}

        async def holds() -> bool:
            nonlocal seen
            seen = await device.look(query["room"])
            return fits(seen, query)

        held = await device.until(holds, float(query.get("timeout", 10)))
        return seen, held


def fits(seen: Json, query: Json) -> bool:
    """Whether all conditions hold."""
    messages, state = seen["messages"], seen["state"]
    if "event" in query:
        messages = [message for message in messages if message["event"] == query["event"]]
    if "sender" in query:
        messages = [message for message in messages if message["sender"] == query["sender"]]
    if "text" in query:
        messages = [message for message in messages if any(
            query["text"] in (said or "") for part in [message, *message["edits"]]
            for said in (part["body"], part["html"]))]
    if "reaction" in query:
        messages = [message for message in messages if query["reaction"] in message["reactions"]]
    if "edits" in query:
        messages = [message for message in messages if len(message["edits"]) >= int(query["edits"])]
    wanted = any(name in query for name in ("event", "sender", "text", "reaction", "edits"))
    return (len(messages) >= int(query.get("count", 1 if wanted else 0))
            and ("member" not in query or query["member"] in state["members"])
            and ("typing" not in query or query["typing"] in state["typing"]))


class Control:
    def __init__(self, people: People) -> None:
        self.people = people

    async def get(self, request: web.Request) -> web.Response:
        query = dict(request.query)
        if request.match_info["what"] == "ready":
            return web.json_response({})
        if request.match_info["what"] == "rooms":
            device = await self.people.device(query["person"])
            return web.json_response({name: members(room) for name, room in device.client.rooms.items()})
        if request.match_info["what"] == "seen":
            query = {name: query[name] for name in ("person", "room")}
        try:
            seen, held = await self.people.look(query)
        except (Refused, KeyError, ValueError) as why:
            return web.json_response({"error": repr(why)}, status=400)
        return web.json_response(seen, status=200 if held else 408)

    async def post(self, request: web.Request) -> web.Response:
        action = request.match_info["action"]
        work = getattr(self.people, f"do_{action}", None)
        try:
            if work is None:
                raise Refused(f"no action {action}")
            return web.json_response(await work(await request.json()))
        except (Refused, nio.LocalProtocolError, KeyError, ValueError) as why:
            logging.warning("%s", action, exc_info=True)
            return web.json_response({"error": repr(why)}, status=400)


async def serve(options: argparse.Namespace) -> None:
    async with aiohttp.ClientSession() as session:
        control = Control(People(Homeserver(options.homeserver, options.secret, session)))
        app = web.Application(client_max_size=50 << 20)
        app.add_routes([web.get("/{what:ready|rooms|seen|wait}", control.get), web.post("/{action}", control.post)])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", options.port).start()
        with open(f"{options.ready}.new", "w", encoding="utf-8") as file:
            file.write(f"http://127.0.0.1:{runner.addresses[0][1]}")
        os.replace(f"{options.ready}.new", options.ready)
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await stop.wait()
        await runner.cleanup()
        for device in control.people.devices.values():
            if device.task:
                device.task.cancel()
            await device.client.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="People who use Matrix.")
    parser.add_argument("--homeserver", required=True)
    parser.add_argument("--secret", required=True, help="the shared secret for making accounts")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--ready", required=True, help="file for the base URL")
    logging.basicConfig(level=logging.WARNING, format="matrix people: %(message)s")
    logging.getLogger("nio").setLevel(logging.ERROR)
    asyncio.run(serve(parser.parse_args()))
