"""What the guest says, read without trusting it: wrong types are absent, texts are printable."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from clawkeep.onhost.plain import plain


class Facts:
    """The answer of `probe.py`; `now` is the guest's own clock, by which all its times are."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = data
        self.now = moment(data, "now") or 0.0

    def raw(self, name: str) -> Any:
        """Return a part as it came."""
        return self._data.get(name)

    def part(self, name: str) -> Mapping[str, Any] | None:
        """Return a part that was learned, or None."""
        found = self._data.get(name)
        return found if isinstance(found, dict) and "error" not in found else None


def text(values: Any, name: str) -> str:
    """Return a text or a whole number as one printable line; "" for anything else."""
    value = values.get(name) if isinstance(values, Mapping) else None
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return plain(str(value))
    return ""


def words(value: Any) -> str:
    """Return a text as one printable line; "" for anything else."""
    return plain(value) if isinstance(value, str) else ""


def number(values: Any, name: str) -> int | None:
    """Return a number as a whole one that is not negative, None for anything else."""
    found = moment(values, name)
    return None if found is None else max(0, math.floor(found))


def moment(values: Any, name: str) -> float | None:
    """Return a finite number, None for anything else."""
    value = values.get(name) if isinstance(values, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e15:
        return None
    return float(value) if math.isfinite(value) else None


def items(value: Any) -> Sequence[Any]:
    """Return a list as it came; an empty one for anything else."""
    return value if isinstance(value, list) else []


def objects(value: Any) -> Sequence[Mapping[str, Any]]:
    """Return the objects of a list, the first 20 of them."""
    return [each for each in items(value) if isinstance(each, dict)][:20]
