"""A host of which nothing but a folder is real: its paths, and a launchd that only remembers."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from clawkeep.onhost import bridges, grants, jobs, paths, world
from clawkeep.policy import Door, Policy

POLICY = Policy(
    digest="d1",
    guest="keep",
    owner="me",
    owner_uid=501,
    owner_home="/Users/me",
    bridge_user="nobody",
    doors=(
        Door("vault", 18443, "10.0.30.10", 443, kind="tls"),
        Door("nas", 18022, "10.0.30.20", 22, kind="ssh"),
    ),
)


@dataclass
class Host:
    """The folder, the jobs that launchd has, and every program that was started."""

    folder: Path
    calls: list[list[str]] = field(default_factory=list)
    loaded: dict[str, bytes] = field(default_factory=dict)
    draining: dict[str, int] = field(default_factory=dict)
    refusals: int = 0

    def run(self, command: Sequence[str], **_: object) -> subprocess.CompletedProcess[str]:
        """Answer as launchctl and ps do."""
        self.calls.append([word.removeprefix(str(self.folder)) for word in command])
        match list(command)[1:]:
            case ["list"]:
                text = "".join(f"{n}\t0\t{label}\n" for n, label in enumerate(self.loaded, 70))
                return self._done(command, 0, f"PID\tStatus\tLabel\n{text}-\t0\tcom.apple.x\n")
            case ["print", target]:
                return self._print(command, target.removeprefix("system/"))
            case ["bootstrap", "system", path]:
                return self._bootstrap(command, Path(path))
            case ["bootout", target]:
                label = target.removeprefix("system/")
                return self._done(command, 0 if self.loaded.pop(label, None) else 3)
            case ["kickstart", "-k", target]:
                return self._done(
                    command, 0 if target.removeprefix("system/") in self.loaded else 113
                )
        return self._done(command, 0)

    def _print(self, command: Sequence[str], label: str) -> subprocess.CompletedProcess[str]:
        left = self.draining.get(label, 0)
        if label not in self.loaded and left:
            self.draining[label] = left - 1
            return self._done(command, 0, "\tstate = SIGTERMed\n")
        return self._done(command, 0 if label in self.loaded else 113, "\tpid = 70\n")

    def _bootstrap(self, command: Sequence[str], path: Path) -> subprocess.CompletedProcess[str]:
        if self.refusals:
            self.refusals -= 1
            return self._done(command, 5, "", "Bootstrap failed: 5: Input/output error\n")
        self.loaded[path.stem] = path.read_bytes()
        return self._done(command, 0)

    @staticmethod
    def _done(
        command: Sequence[str], status: int, text: str = "", error: str = ""
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(list(command), status, text, error)

    def verbs(self) -> list[str]:
        """Return what launchctl was told to change, and forget all calls."""
        told = [
            " ".join(call[1:])
            for call in self.calls
            if call[1] in {"bootstrap", "bootout", "kickstart", "enable"}
        ]
        self.calls.clear()
        return told


@pytest.fixture(autouse=True)
def _own(own_journal_and_clock: None) -> None:
    """Let no test here write to this very machine's."""


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    made = Host(tmp_path)
    for name in ("POLICY", "GRANTS", "WINDOW", "LINK", "LOCK"):
        monkeypatch.setattr(paths, name, tmp_path / getattr(paths, name).name)
    monkeypatch.setattr(grants, "JOURNAL", tmp_path / "journal.jsonl")
    monkeypatch.setattr(bridges, "STARTED", tmp_path / "bridges.json")
    for name in ("FOLDER", "MARKS"):
        monkeypatch.setattr(jobs, name, tmp_path / name.lower())
        (tmp_path / name.lower()).mkdir()
    monkeypatch.setattr(jobs, "run", made.run)
    monkeypatch.setattr(world, "run", made.run)
    monkeypatch.setattr("time.sleep", lambda _: None)
    paths.POLICY.write_text(POLICY.text())
    return made
