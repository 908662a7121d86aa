"""Objects of any length, encrypted in segments: the STREAM construction over AES-256-GCM.

    "CKB1", salt (32), then per segment: length (4, big-endian), ciphertext and tag

A segment's nonce is its number and whether it is the last, so a segment that is missing, doubled,
exchanged or cut off at the end does not open. Source: Hoang, Reyhanitabar, Rogaway, Vizár, "Online
Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance" (STREAM).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag

from clawkeep.backup.errors import DamageError
from clawkeep.backup.keys import TAG, Keys

MAGIC: Final = b"CKB1"
SALT: Final = 32
SEGMENT: Final = 256 * 1024
LENGTH = struct.Struct(">I")


class Readable(Protocol):
    """As much of a binary file as is needed here."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, none at the end."""


def seal(keys: Keys, name: str, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the encrypted object `name` with the content of all `pieces`, in constant memory."""
    salt = os.urandom(SALT)
    cipher, about = keys.stream(name, salt)
    yield MAGIC + salt
    number, waiting = 0, bytearray()
    for piece in pieces:
        waiting += piece
        while len(waiting) > SEGMENT:
            sealed = cipher.encrypt(_nonce(number, last=False), bytes(waiting[:SEGMENT]), about)
            yield LENGTH.pack(len(sealed)) + sealed
            del waiting[:SEGMENT]
            number += 1
    sealed = cipher.encrypt(_nonce(number, last=True), bytes(waiting), about)
    yield LENGTH.pack(len(sealed)) + sealed


def unseal(keys: Keys, name: str, source: Readable) -> Iterator[bytes]:
    """Yield the content of the object `name`, each piece proved to be in its place.

    Raises DamageError; what was yielded before was whole, but only the end says that all was there.
    """
    head = _exactly(source, len(MAGIC) + SALT, name)
    if head[: len(MAGIC)] != MAGIC:
        raise DamageError(f"{name}: is no object of this format")
    cipher, about = keys.stream(name, head[len(MAGIC) :])
    number, length = 0, _length(source, name)
    while length is not None:
        sealed = _exactly(source, length, name)
        following = _length(source, name)
        try:
            yield cipher.decrypt(_nonce(number, last=following is None), sealed, about)
        except InvalidTag:
            raise DamageError(f"{name}: part {number + 1} was cut, altered or exchanged") from None
        number, length = number + 1, following
    if not number:
        raise DamageError(f"{name}: was cut")


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + (b"\1" if last else b"\0")


def _length(source: Readable, name: str) -> int | None:
    """Return the next segment's length, None at the end."""
    data = source.read(LENGTH.size)
    if not data:
        return None
    (length,) = LENGTH.unpack(data + _exactly(source, LENGTH.size - len(data), name))
    if not TAG <= length <= SEGMENT + TAG:
        raise DamageError(f"{name}: was altered")
    return int(length)


def _exactly(source: Readable, size: int, name: str) -> bytes:
    data = b""
    while len(data) < size:
        piece = source.read(size - len(data))
        if not piece:
            raise DamageError(f"{name}: was cut")
        data += piece
    return data
