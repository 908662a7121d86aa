"""When a resource of the guest is short: declared figures, for the page and for alert rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from clawkeep.model import Keep


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of the guest and its two limits.

    `sample` is its name among the samples of `clawkeep health --json`. A value is the worse the
    `higher` it is, or else the lower. `per` says what it is divided by first: the declared guest's
    `cpu` (cores) or `disk` (bytes), or a `hundred`.
    """

    name: str
    sample: str
    words: str
    warning: float
    critical: float
    per: str
    higher: bool = False

    def value(self, sample: float, keep: Keep) -> float:
        """Return a sample in the unit of the limits."""
        parts = {"cpu": keep.guest.cpu, "disk": keep.guest.disk_gb * 10**9, "hundred": 100}
        return sample / parts[self.per]

    def level(self, value: float) -> str:
        """Return `ok`, `warning` or `critical` for a value in the unit of the limits."""
        sign = 1 if self.higher else -1
        for level, limit in (("critical", self.critical), ("warning", self.warning)):
            if sign * value > sign * limit:
                return level
        return "ok"


#: The critical ones are where `clawkeep health` calls the guest ill.
RESOURCES: Final = (
    Resource("load_per_cpu", "load", "load per core", 2.0, 4.0, "cpu", higher=True),
    Resource("memory_free_ratio", "memory_free_percent", "memory", 0.10, 0.04, "hundred"),
    Resource("disk_free_ratio", "disk_free_bytes", "disk", 0.10, 0.02, "disk"),
)
