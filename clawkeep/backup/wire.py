"""SFTP 3 on the wire: texts, status codes, names and attributes of files."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

HAS_SIZE, HAS_OWNER, HAS_MODE, HAS_TIMES, HAS_EXTENDED = 1, 2, 4, 8, 0x80000000
FOLDER: Final = 0o040000
FORMAT: Final = 0o170000


@dataclass(frozen=True, slots=True)
class Attributes:
    """What is known of a file: bytes, Unix seconds, whether it is a folder."""

    size: int = -1
    mtime: int = 0
    folder: bool = False


def packed_text(text: str) -> bytes:
    """Return a text as it is sent."""
    return packed(text.encode())


def packed(data: bytes) -> bytes:
    """Return a string of bytes as it is sent."""
    return struct.pack(">I", len(data)) + data


def code_of(body: bytes) -> int:
    """Return the code of a status, -1 for what is none."""
    return int(struct.unpack(">I", body[:4])[0]) if len(body) >= 4 else -1


def texts(body: bytes) -> list[str]:
    """Return the texts that a message consists of."""
    found = []
    while len(body) >= 4:
        (length,) = struct.unpack(">I", body[:4])
        found.append(body[4 : 4 + length].decode(errors="replace"))
        body = body[4 + length :]
    return found


def names_of(body: bytes) -> Iterator[tuple[str, Attributes]]:
    """Yield the names of a listing, and what is known of each."""
    (count,) = struct.unpack(">I", body[:4])
    rest = body[4:]
    for _ in range(count):
        (length,) = struct.unpack(">I", rest[:4])
        name, rest = rest[4 : 4 + length].decode(errors="replace"), rest[4 + length :]
        (length,) = struct.unpack(">I", rest[:4])
        about, rest = attributes_of(rest[4 + length :])
        yield name, about


def attributes_of(body: bytes) -> tuple[Attributes, bytes]:
    """Read a file's attributes; return what follows them, too."""
    (flags,) = struct.unpack(">I", body[:4])
    at, size, mode, mtime = 4, -1, 0, 0
    if flags & HAS_SIZE:
        (size,) = struct.unpack(">Q", body[at : at + 8])
        at += 8
    if flags & HAS_OWNER:
        at += 8
    if flags & HAS_MODE:
        (mode,) = struct.unpack(">I", body[at : at + 4])
        at += 4
    if flags & HAS_TIMES:
        _, mtime = struct.unpack(">II", body[at : at + 8])
        at += 8
    if flags & HAS_EXTENDED:
        (count,) = struct.unpack(">I", body[at : at + 4])
        at += 4
        for _ in range(2 * count):
            (length,) = struct.unpack(">I", body[at : at + 4])
            at += 4 + length
    return Attributes(size, mtime, mode & FORMAT == FOLDER), body[at:]
