"""Text for people, made fit for it: no control characters, no secrets, no longer than allowed."""

from __future__ import annotations

from collections.abc import Callable

from clawkeep.redact import Redactor

CUT = " …"
SHAPES = Redactor()


def clean(text: str, length: int) -> str:
    """Return one line of at most `length` characters, without what looks like a secret."""
    shown = SHAPES.redact(text.encode(errors="replace")).decode(errors="replace")
    line = "".join(letter if letter.isprintable() else " " for letter in shown)
    return shortened(" ".join(line.split()), length)


def lines(text: str, length: int) -> str:
    """Return some lines of at most `length` characters together, likewise."""
    found = (clean(line, length) for line in text.splitlines())
    return shortened("\n".join(line for line in found if line), length)


def utf16(text: str) -> int:
    """Return the length of a text as JavaScript counts it: never less than its characters."""
    return len(text.encode("utf-16-le", errors="replace")) // 2


def utf8(text: str) -> int:
    """Return the length of a text in bytes."""
    return len(text.encode(errors="replace"))


def shortened(text: str, limit: int, size: Callable[[str], int] = len) -> str:
    """Return `text`, cut so that its `size` is at most `limit`."""
    if size(text) <= limit:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if size(text[:middle] + CUT) <= limit else (low, middle - 1)
    return text[:low] + CUT


def span(seconds: float) -> str:
    """Return a span in its largest unit or two, such as `1 h 5 min`."""
    rest, parts = int(max(0, seconds)), []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"
