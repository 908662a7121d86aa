"""Text that somebody else wrote, made fit for a terminal. The one place for it, on both sides."""

from __future__ import annotations

WIDTH = 200


def plain(text: str, width: int = WIDTH) -> str:
    """Return `text` as one line of at most `width` characters, nothing in it but what can be seen.

    A guest, a log or a damaged file may hold escape sequences, line ends or letters that change
    the direction of writing; each of those becomes a question mark.
    """
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:width]
