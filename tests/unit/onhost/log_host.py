"""A host with three logs, whose store is in a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from clawkeep.onhost import clock, log_sources, paths
from clawkeep.onhost.log_pull import Pulled, pull
from clawkeep.onhost.log_sources import Log
from clawkeep.onhost.log_store import Line, Store
from clawkeep.onhost.logs import merged

T = 1_800_000_000.0


class Here:
    """A host with three logs, a clock, and a guest that says nothing unless told."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.moment = folder, T
        self.store = Store(folder / "store")
        self.guest: Callable[[list[str]], str] = lambda _: ""
        self.logs = [
            Log("guard", folder / "events.jsonl", log_sources.event),
            Log("canary", folder / "canary.log", log_sources.undated),
            Log("bridges", folder / "bridge-nas.log", log_sources.socat),
        ]

    def add(self, name: str, text: str) -> None:
        with (self.folder / name).open("a") as file:
            file.write(text)

    def pull(self) -> Pulled:
        return pull(self.folder / "store", self.logs, self.guest)

    def lines(self, *sources: str) -> list[Line]:
        """Return what is stored, merged."""
        names = list(sources or log_sources.SOURCES)
        mark = self.store.bookmark()
        return [x for _, x in merged(self.store, mark, names, {}, float("-inf"), 10**9)]

    def texts(self, *sources: str) -> list[str]:
        return [line.text for line in self.lines(*sources)]


def log_host(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Here:
    """Return such a host in `folder`, whose clock is its own."""
    made = Here(folder)
    monkeypatch.setattr(clock, "now", lambda: made.moment)
    monkeypatch.setattr(paths, "HOOKS", folder / "hooks.json")
    return made
