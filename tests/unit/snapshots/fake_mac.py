"""A Mac of a few dictionaries that can be killed before and after each thing it does."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from clawkeep.onhost.snapshot_shelf import Shelf
from clawkeep.snapshots.errors import SnapshotError
from clawkeep.snapshots.keeper import Keeper
from clawkeep.snapshots.plan import Plan
from clawkeep.snapshots.ports import GB, Tried
from clawkeep.snapshots.records import Facts, Record, State, Task
from clawkeep.snapshots.work import Work

GUEST = "vm"


class KilledError(BaseException):
    """SIGKILL: nothing of ours runs after it."""


@dataclass
class Fate:
    """When it happens: at the `killed_at`th point, or the `full_at`th write."""

    killed_at: int = 0
    full_at: int = 0
    points: int = 0
    writes: int = 0
    dead: bool = False

    @contextlib.contextmanager
    def step(self) -> Iterator[None]:
        self.point()
        yield
        self.point()

    def point(self) -> None:
        self.points += 1
        if self.dead or self.points == self.killed_at:
            self.dead = True
            raise KilledError

    def write(self) -> None:
        self.writes += 1
        if self.full_at and self.writes >= self.full_at:
            raise OSError(errno.ENOSPC, "No space left on device")


@dataclass
class FakeMac:
    """`disks` are contents by VM, `running` the VMs that run; `bad` contents never get well."""

    fate: Fate
    time: float = 1_800_000_000.0
    room: int = 100 * GB
    disks: dict[str, str] = field(default_factory=lambda: {GUEST: "first"})
    running: set[str] = field(default_factory=lambda: {GUEST})
    job: bool = True
    agent: bool = True
    bad: set[str] = field(default_factory=set)
    torn: list[str] = field(default_factory=list)
    down_s: float = 0.0
    calls: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    clone_cost: int = 0
    meddler: bool = False

    def vms(self) -> dict[str, str]:
        self.fate.point()
        return {n: "running" if n in self.running else "stopped" for n in self.disks}

    def clone(self, source: str, name: str) -> None:
        with self.fate.step():
            self.calls.append(f"clone {source} {name}")
            assert name not in self.disks
            if self.meddler:
                self.job = True
                self.running.add(GUEST)
            try:
                self.fate.write()
            except OSError as error:
                raise SnapshotError(f"tart clone: {error}") from error
            if source in self.running:
                self.torn.append(name)
            self.disks[name] = self.disks[source]
            self.room -= self.clone_cost

    def rename(self, name: str, new: str) -> None:
        with self.fate.step():
            self.calls.append(f"rename {name} {new}")
            assert new not in self.disks
            assert name not in self.running
            self.disks[new] = self.disks.pop(name)

    def delete(self, name: str) -> None:
        with self.fate.step():
            self.calls.append(f"delete {name}")
            assert name not in self.running
            del self.disks[name]

    def free(self) -> int:
        return self.room

    def now(self) -> float:
        return self.time

    def ticks(self) -> float:
        return self.time

    @contextlib.contextmanager
    def maintenance(self, reason: str) -> Iterator[None]:
        self.fate.write()
        self.said.append(reason)
        yield

    def loaded(self) -> bool:
        return self.job

    def drain(self, most_s: float) -> Facts:
        with self.fate.step():
            self.agent = False
        return Facts(macos="15.6")

    def stop(self) -> None:
        with self.fate.step():
            self.job = False
            self.running.discard(GUEST)

    def start(self) -> None:
        with self.fate.step():
            self.job = True
            if GUEST in self.disks and GUEST not in self.running:
                self.running.add(GUEST)
                self.agent = True

    def resume(self) -> None:
        self.fate.point()
        self.agent = True

    def answers(self) -> str:
        return ""

    def healthy(self, facts: Facts) -> str:
        self.fate.point()
        return "it does not answer" if self.disks[GUEST] in self.bad else ""

    def probe(self, name: str, facts: Facts) -> Tried:
        with self.fate.step():
            self.running.add(name)
        bad = self.disks[name] in self.bad
        return Tried(not bad, "damaged" if bad else "whole")

    def end_probe(self, name: str) -> None:
        with self.fate.step():
            self.running.discard(name)

    def event(self, text: str) -> None:
        self.events.append(text)


class FatedShelf(Shelf):
    """The real one, whose every write is a point at which one can be killed, or be full."""

    def __init__(self, folder: Path, fate: Fate) -> None:
        super().__init__(folder)
        self.fate = fate

    def begin(self, task: Task) -> None:
        with self.fate.step():
            self.fate.write()
            super().begin(task)

    def end(self) -> None:
        with self.fate.step():
            super().end()

    def put(self, record: Record) -> None:
        with self.fate.step():
            self.fate.write()
            super().put(record)

    def drop(self, name: str) -> None:
        with self.fate.step():
            super().drop(name)

    def note(self, state: State) -> None:
        with self.fate.step():
            self.fate.write()
            super().note(state)


@dataclass
class Host:
    """A Mac, its shelf, and whoever works on it."""

    folder: Path
    plan: Plan = field(default_factory=Plan)
    fate: Fate = field(default_factory=Fate)

    def __post_init__(self) -> None:
        self.mac = FakeMac(self.fate)

    @property
    def shelf(self) -> Shelf:
        return Shelf(self.folder)

    def work(self) -> Work:
        shelf = FatedShelf(self.folder, self.mac.fate)
        return Work(Keeper(self.mac, shelf, self.plan, GUEST, "0f"))

    def again(self, killed_at: int = 0, full_at: int = 0) -> None:
        """Have another process begin, with a fate of its own."""
        self.fate = self.mac.fate = Fate(killed_at, full_at)

    def declare(self, **values: object) -> None:
        self.plan = replace(self.plan, **values)  # type: ignore[arg-type]

    def snapshots(self) -> list[str]:
        return sorted(r.name for r in self.shelf.records())

    def well(self) -> None:
        """The guest runs by its job, with its agent, and nothing is half there."""
        assert GUEST in self.mac.running
        assert self.mac.job
        assert self.mac.agent
        assert self.shelf.task() is None
        assert not [name for name in self.mac.disks if "." in name]
        assert self.mac.running == {GUEST}
        assert self.mac.torn == []
        # A record for each snapshot, and a snapshot for each record.
        assert self.snapshots() == sorted(self.mac.disks.keys() - {GUEST})
