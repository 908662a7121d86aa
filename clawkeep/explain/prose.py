"""The small change of sentences: quoted values, numbers with their nouns, spans of time."""

from __future__ import annotations

import re
from collections.abc import Iterable


def code(value: object) -> str:
    """Return a declared value between backticks, as Markdown shows it literally.

    A value that holds backticks itself gets longer ones, and spaces inside them.
    """
    text = str(value)
    runs = [len(run) for run in re.findall("`+", text)]
    if not runs:
        return f"`{text}`"
    fence = "`" * (max(runs) + 1)
    return f"{fence} {text} {fence}"


def plural(count: int, noun: str) -> str:
    """Return `1 service`, `4 services`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def duration(seconds: int) -> str:
    """Return a span of time in its largest whole unit: `1 hour`, `90 seconds`."""
    for unit, size in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds % size == 0 and seconds >= size:
            return plural(seconds // size, unit)
    return plural(seconds, "second")


def listed(values: Iterable[object], last: str = "and") -> str:
    """Return `a`, `a and b`, `a, b and c`."""
    *most, final = [str(value) for value in values]
    return f"{', '.join(most)} {last} {final}" if most else final
