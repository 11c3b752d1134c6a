"""Secrets on a homeserver, as clients keep them that print a recovery key
(<https://spec.matrix.org/latest/client-server-api/#secrets>). Needs pycryptodome."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from functools import reduce
from typing import Dict

from Crypto.Cipher import AES

BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def derive(key: bytes, name: str) -> tuple[bytes, bytes]:
    """HKDF-SHA-256 with a salt of zeros: the key that encrypts and the one that authenticates."""
    seed = hmac.digest(bytes(32), key, hashlib.sha256)
    first = hmac.digest(seed, name.encode() + b"\x01", hashlib.sha256)
    return first, hmac.digest(seed, first + name.encode() + b"\x02", hashlib.sha256)


def seal(key: bytes, name: str, secret: bytes) -> Dict[str, str]:
    encrypts, authenticates = derive(key, name)
    start = bytearray(os.urandom(16))
    # Bit 63 is zero, for clients whose counters differ there.
    start[8] &= 0x7F
    sealed = AES.new(encrypts, AES.MODE_CTR, nonce=b"", initial_value=bytes(start)).encrypt(secret)
    parts = {"iv": bytes(start), "ciphertext": sealed, "mac": hmac.digest(authenticates, sealed, hashlib.sha256)}
    return {part: base64.b64encode(value).decode() for part, value in parts.items()}


def description(key: bytes) -> Dict[str, str]:
    """What is said of a key, so that a client knows whether it has the right one."""
    check = seal(key, "", bytes(32))
    return {"algorithm": "m.secret_storage.v1.aes-hmac-sha2", "iv": check["iv"], "mac": check["mac"]}


def printed(key: bytes) -> str:
    """A key as it is shown to people: Base58, in groups of four."""
    whole = b"\x8b\x01" + key
    whole += bytes([reduce(lambda parity, byte: parity ^ byte, whole)])
    number, text = int.from_bytes(whole, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = BASE58[digit] + text
    return " ".join(text[at:at + 4] for at in range(0, len(text), 4))
