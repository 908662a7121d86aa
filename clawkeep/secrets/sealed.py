"""The format of secrets.sealed: text encrypted as a whole, so that any change to it is found.

    clawkeep-sealed 1 key=<id of the key>
    <base64 of salt, nonce and ciphertext, 76 characters a line>

AES-256-GCM with a key of its own for each file, made of the sealing key and a random salt by
HKDF-SHA256. The first line is authenticated with the rest. Pure, but for the random numbers.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from clawkeep.secrets.error import SecretError

VERSION: Final = 1
KEY_BYTES: Final = 32
SALT_BYTES: Final = 32
NONCE_BYTES: Final = 12
HEAD: Final = re.compile(rb"clawkeep-sealed ([0-9]{1,9})(?: key=([0-9a-f]{16}))?")
SPOILT = (
    "was cut or altered since it was sealed, and nothing of it can be trusted; take it back from "
    "version control or a backup"
)


class UnknownKeyError(SecretError):
    """A file that was sealed with a key which is not at hand; `key` is its id."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"is sealed with the key {key}")


def new_key() -> bytes:
    """Return a new sealing key."""
    return os.urandom(KEY_BYTES)


def key_id(key: bytes) -> str:
    """Return 16 hexadecimal digits that name a key and tell nothing about it."""
    return _derived(key, None, b"clawkeep sealing key id", 8).hex()


def seal(text: str, key: bytes) -> bytes:
    """Return the content of a file that holds `text`; another one each time."""
    salt, nonce = os.urandom(SALT_BYTES), os.urandom(NONCE_BYTES)
    head = f"clawkeep-sealed {VERSION} key={key_id(key)}".encode()
    cipher = AESGCM(_derived(key, salt, head, KEY_BYTES))
    return _written(head, salt + nonce + cipher.encrypt(nonce, text.encode(), head))


def unseal(content: bytes, keys: Sequence[bytes]) -> str:
    """Return the text of a sealed file, opened with the one of `keys` that it was sealed with.

    Raises UnknownKeyError, or SecretError for what is no sealed file, or not as it was sealed.
    """
    head, _, body = content.partition(b"\n")
    first = HEAD.fullmatch(head)
    if first is None:
        raise SecretError("holds no sealed secrets; expected `clawkeep-sealed 1` in its first line")
    if int(first[1]) != VERSION:
        raise SecretError(
            f"is of version {int(first[1])}, and this clawkeep reads version {VERSION}; update it"
        )
    if first[2] is None:
        raise SecretError(SPOILT)
    key = next((key for key in keys if key_id(key) == first[2].decode()), None)
    if key is None:
        raise UnknownKeyError(first[2].decode())
    try:
        data = base64.b64decode(body.replace(b"\n", b""), validate=True)
    except binascii.Error:
        raise SecretError(SPOILT) from None
    # Base64 can say the same in several ways: only the one that was written counts.
    if _written(head, data) != content:
        raise SecretError(SPOILT)
    salt, nonce = data[:SALT_BYTES], data[SALT_BYTES : SALT_BYTES + NONCE_BYTES]
    try:
        cipher = AESGCM(_derived(key, salt, head, KEY_BYTES))
        return cipher.decrypt(nonce, data[SALT_BYTES + NONCE_BYTES :], head).decode()
    except (InvalidTag, ValueError):
        raise SecretError(SPOILT) from None


def _written(head: bytes, data: bytes) -> bytes:
    return head + b"\n" + base64.encodebytes(data)


def _derived(key: bytes, salt: bytes | None, purpose: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=purpose).derive(key)
