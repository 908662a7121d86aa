"""Cuts what is read of a log into lines, the same ones wherever the reads begin and end."""

from __future__ import annotations

from typing import NamedTuple

MAX_LINE = 4096
"""Longest line in bytes; a longer one is dropped whole. socat's and squid's are shorter, but a
hostile URL is as long as the proxy lets it be."""


class Cut(NamedTuple):
    """Whole lines without their ends, and how many bytes are done with.

    `skipping`: the rest of a line that is too long is still to be dropped.
    """

    lines: list[bytes]
    done: int
    skipping: bool


def cut(data: bytes, *, skipping: bool = False) -> Cut:
    """Cut `data`, which begins at a line or (`skipping`) within one that is dropped.

    A last line without its end is left for the next read.
    """
    whole, newline, tail = data.rpartition(b"\n")
    pieces = whole.split(b"\n") if newline else []
    done = len(whole) + len(newline)
    if skipping and pieces:
        del pieces[0]
        skipping = False
    if skipping or len(tail) > MAX_LINE:
        return Cut(_short(pieces), done + len(tail), skipping=True)
    return Cut(_short(pieces), done, skipping=False)


def _short(lines: list[bytes]) -> list[bytes]:
    return [line for line in lines if len(line) <= MAX_LINE]
