"""Reading a declaration as text, without trusting a byte of it."""

from __future__ import annotations

import codecs
import re
from itertools import islice
from pathlib import Path

from clawkeep.config.problem import SHOWN, ConfigError, Mark, Problem

LARGEST = 256 * 1024
"""Bytes. An allowlist is a few kilobytes."""

UNSEEN = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\u2027\u202f-\u2065\u206a-\ud7ff\ue000-\ufefe\uff00-\ufffd"
    "\U00010000-\U0010ffff]"
)
"""Characters that YAML forbids, that break lines where an editor shows none, or that make a text
read differently from what it says (bidirectional controls)."""

WIDE_MARKS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def mark_at(text: str, offset: int) -> Mark:
    """Return line and column of a character offset."""
    start = text.rfind("\n", 0, offset) + 1
    return Mark(text.count("\n", 0, offset) + 1, offset - start + 1)


def read_text(path: Path) -> str:
    """Return the file's text without its byte order mark; raise ConfigError when it has none.

    Refused: a file that is missing, unreadable, no regular file, larger than `LARGEST`, or not
    UTF-8.
    """
    return decode(read_bytes(path), str(path))


def read_bytes(path: Path) -> bytes:
    """Return the file's bytes; raise ConfigError, as `read_text` does."""
    try:
        if not path.exists():
            raise _error(path, "does not exist; name an existing allowlist")
        if path.is_dir():
            raise _error(path, "is a directory; name the file in it")
        if not path.is_file():
            raise _error(path, "is no regular file")
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise _error(path, f"cannot be read: {reason}") from error
    if len(content) > LARGEST:
        raise _error(
            path,
            f"is larger than {LARGEST // 1024} KB; an allowlist is a few KB, so this is "
            "probably another file",
        )
    return content


def decode(content: bytes, name: str) -> str:
    """Return `content` as text; raise ConfigError, with positions, as `read_text` does."""
    if content.startswith(WIDE_MARKS):
        raise ConfigError((Problem(name, "is UTF-16 or UTF-32; save it as UTF-8", Mark(1, 1)),))
    try:
        return content.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode("utf-8")
        message = f"byte 0x{error.object[error.start]:02x} is not UTF-8; save the file as UTF-8"
        raise ConfigError((Problem(name, message, mark_at(before, len(before))),)) from error


def refuse_unseen(text: str, name: str) -> None:
    """Raise ConfigError, with positions, when `text` holds characters that nobody sees."""
    unseen = [
        Problem(
            name,
            f"character U+{ord(found.group()):04X} cannot be seen and has no place here; remove it",
            mark_at(text, found.start()),
        )
        for found in islice(UNSEEN.finditer(text), SHOWN)
    ]
    if unseen:
        raise ConfigError(tuple(unseen))


def _error(path: Path, message: str) -> ConfigError:
    return ConfigError((Problem(str(path), message),))
