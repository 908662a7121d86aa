"""The figures, their targets, and how both are shown."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench.round_trips import SET_UP, Count
from bench.series import Series

ROLES = (("base", "host"), ("base", "guest"), ("network", "host"), ("network", "guest"))


@dataclass(frozen=True)
class Target:
    """A figure that was promised."""

    name: str
    value: float
    limit: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Tell whether the figure is on the right side of its limit."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def line(self) -> str:
        """Return it as one line of the report."""
        sign = ">=" if self.at_least else "<="
        word = "ok" if self.met else "MISSED"
        return f"{self.name:44} {self.value:8.2f}   target {sign} {self.limit:g}   {word}"


@dataclass
class Report:
    """All that one run measured."""

    first: Series
    clawkeep: Series
    ansible: Series
    status: Series
    first_trips: Count = field(default_factory=Count)
    clawkeep_trips: Count = field(default_factory=Count)
    ansible_trips: Count = field(default_factory=Count)
    noticed: list[str] = field(default_factory=list)
    started: str = field(default_factory=lambda: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    load: tuple[float, ...] = field(default_factory=os.getloadavg)

    @property
    def ratio(self) -> float:
        """How many times longer Ansible's no-op takes, by the medians."""
        return self.ansible.median / self.clawkeep.median

    def targets(self) -> list[Target]:
        """Return every promise with its figure."""
        trips = self.clawkeep_trips
        return [
            Target("no-op: Ansible / Clawkeep, medians", self.ratio, 10, at_least=True),
            Target("no-op of Clawkeep, median, s", self.clawkeep.median, 6),
            *(
                Target(f"round trips: {role} {_where(machine)}", trips.of(role, machine), 3)
                for role, machine in ROLES
            ),
            Target("clawkeep status, median, s", self.status.median, 1),
        ]

    def lines(self) -> Iterator[str]:
        """Yield the report for a terminal."""
        yield f"{self.started}, {_machine()}, load {self.load[0]:.1f} at the start"
        yield "Wall times of whole processes, in seconds."
        yield ""
        yield f"{'':36} {'n':>3} {'min':>8} {'median':>8} {'max':>8}"
        for series in (self.first, self.clawkeep, self.ansible, self.status):
            low, high = min(series.seconds), max(series.seconds)
            yield (
                f"{series.name:36} {len(series.seconds):3} {low:8.2f} {series.median:8.2f} "
                f"{high:8.2f}"
            )
        yield ""
        yield from self._round_trips()
        if self.noticed:
            yield ""
            yield f"Damages that both tools noticed: {len(self.noticed)} of {len(self.noticed)}"

    def _round_trips(self) -> Iterator[str]:
        counts = (self.first_trips, self.clawkeep_trips, self.ansible_trips)
        yield f"{'SSH round trips':36}" + _columns("first", "no-op", "no-op, Ansible")
        for role, machine in ROLES:
            row = (count.of(role, machine) for count in counts)
            yield f"{f'  {role} {_where(machine)}':36}" + _columns(*row)
        set_up = [count.of(SET_UP, "host") + count.of(SET_UP, "guest") for count in counts]
        yield f"{'  connection set-up':36}" + _columns(*set_up[:2], "warm")
        yield f"{'  all':36}" + _columns(*(count.total() for count in counts))

    def as_json(self) -> dict[str, object]:
        """Return everything as plain data."""
        return {
            "started": self.started,
            "machine": _machine(),
            "load_1min_at_start": self.load[0],
            "first_converge": self.first.as_json(),
            "no_op": {
                "clawkeep": self.clawkeep.as_json(),
                "ansible": self.ansible.as_json(),
                "ratio_of_medians": round(self.ratio, 2),
            },
            "status": self.status.as_json(),
            "round_trips": {
                "first_converge": self.first_trips.rows(),
                "clawkeep": self.clawkeep_trips.rows(),
                "ansible": self.ansible_trips.rows(),
            },
            "damages_noticed": self.noticed,
            "targets": [
                {"name": t.name, "value": round(t.value, 3), "limit": t.limit, "met": t.met}
                for t in self.targets()
            ],
        }


def _columns(*values: object) -> str:
    return "".join(f"{value!s:>15}" for value in values)


def _where(machine: str) -> str:
    return "in guest" if machine == "guest" else "on host"


def _machine() -> str:
    """Return the class of this machine: cores and memory, never its name."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    python = platform.python_version()
    return f"{os.cpu_count()} cores ({model}), {pages / 2**30:.0f} GiB, Python {python}"
