"""Versions: their order, and how large the step from one to another is."""

from __future__ import annotations

import re
from typing import Final, Literal

Step = Literal["same", "patch", "minor", "major", "unknown"]

#: Numbers between dots or dashes, and Homebrew's revision of a formula: 1.8.1, 7.1.2-8, 2026-09-09,
#: 2.52.0_1. Letters (9.9p1, 1.2.0-rc.1) have no order that all agree on.
FORM: Final = re.compile(r"v?([0-9]{1,9}(?:[.-][0-9]{1,9}){0,9})(?:_([0-9]{1,9}))?")


def key(text: str) -> tuple[tuple[int, ...], int] | None:
    """Return what orders a version, None for one that has no order. 1.0 and 1.0.0 are the same."""
    found = FORM.fullmatch(text)
    if found is None:
        return None
    parts = [int(part) for part in re.split("[.-]", found[1])]
    while len(parts) > 1 and parts[-1] == 0:
        parts.pop()
    return tuple(parts), int(found[2] or 0)


def step(installed: str, available: str) -> Step:
    """Return how large the step is; a step back, or between what has no order, is `unknown`.

    The leftmost part that is not zero decides, as semantic versioning has it below 1.0.0: 0.9 to
    0.10 is a major.
    """
    before, after = key(installed), key(available)
    if installed == available or (before is not None and before == after):
        return "same"
    if before is None or after is None or after < before:
        return "unknown"
    (old, _), (new, _) = before, after
    width = max(len(old), len(new))
    pairs = list(zip(_wide(old, width), _wide(new, width), strict=True))
    at = next((index for index, (a, b) in enumerate(pairs) if a != b), None)
    if at is None:
        return "patch"
    leading = next(index for index, (a, b) in enumerate(pairs) if a or b)
    if at <= leading:
        return "major"
    return "minor" if at == leading + 1 else "patch"


def newest(versions: list[str]) -> str:
    """Return the newest of those that have an order, "" when none has."""
    ordered = [(found, text) for text in versions if (found := key(text)) is not None]
    return max(ordered)[1] if ordered else ""


def _wide(parts: tuple[int, ...], width: int) -> tuple[int, ...]:
    return parts + (0,) * (width - len(parts))
