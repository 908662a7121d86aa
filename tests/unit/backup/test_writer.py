"""The agent's state put back in the guest: exchanged in one step, or nothing is changed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clawkeep.backup import pipe
from clawkeep.backup.repository import Repository
from clawkeep.backup.send import sent
from tests.unit.backup.test_faults import dying_after
from tests.unit.backup.world import backed_up, repository, tree

IDLE = "exit 1"


class Guest:
    """A guest with stand-ins for `ps` and `launchctl`."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.root = tree(folder / "state")
        self.runs("1 /sbin/launchd", IDLE)

    def runs(self, ps: str, launchctl: str) -> None:
        for name, text in (("ps", f"echo '{ps}'"), ("launchctl", launchctl)):
            (self.bin / name).write_text(f"#!/bin/sh\n{text}\n")
            (self.bin / name).chmod(0o755)

    def task(self, stamp: str = "now") -> dict[str, Any]:
        carry = [".env", "credentials", "groups/main/logs"]
        return {"root": str(self.root), "label": "com.nanoclaw", "stamp": stamp, "carry": carry}

    def put(self, pieces: Iterator[bytes] | list[bytes], stamp: str = "now") -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-I", "-c", pipe.BOOTSTRAP],
            input=pipe.program("writer", self.task(stamp)) + b"".join(pieces),
            capture_output=True,
            env={"PATH": f"{self.bin}:/usr/bin:/bin"},
            check=False,
        )
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def content(self) -> dict[str, bytes]:
        files = (p for p in self.root.rglob("*") if p.is_file() and not p.is_symlink())
        # The first page's head counts changes, and begins anew in SQLite's copy.
        return {
            str(p.relative_to(self.root)): p.read_bytes()[100 if p.suffix == ".db" else 0 :]
            for p in files
        }


@pytest.fixture
def guest(tmp_path: Path) -> Guest:
    return Guest(tmp_path)


@pytest.fixture
def saved(guest: Guest, tmp_path: Path) -> Repository:
    it = repository(tmp_path / "r")
    backed_up(it, guest.root, skip=[".env", "groups/*/logs"])
    return it


def pieces(saved: Repository) -> Iterator[bytes]:
    return sent(saved, saved.catalogue().get("latest"), "agent")


def spoil(guest: Guest) -> dict[str, bytes]:
    (guest.root / "groups/main/CLAUDE.md").write_text("spoilt\n")
    (guest.root / "later").write_text("later\n")
    (guest.root / ".env").write_text("TOKEN=newer\n")
    return guest.content()


def test_the_state_is_as_it_was_and_the_other_one_is_beside_it(
    guest: Guest, saved: Repository
) -> None:
    good = guest.content()
    spoilt = spoil(guest)
    answer = guest.put(pieces(saved))
    assert answer["ok"], answer
    now = guest.content()
    assert now.pop(".env") == b"TOKEN=newer\n"  # No backup holds it.
    assert now == {name: data for name, data in good.items() if name != ".env"}
    assert (guest.root / "groups/main/CLAUDE.md").stat().st_mode & 0o777 == 0o640
    assert (guest.root / "groups/main/link").is_symlink()
    guest.root = Path(answer["kept"])
    assert guest.content() == spoilt


@pytest.mark.parametrize(
    ("ps", "launchctl", "why"),
    [
        ("77 node /opt/nanoclaw/releases/x/dist/index.js", IDLE, "NanoClaw runs (pid 77)"),
        ("1 launchd", "exit 0", "launchd would start NanoClaw"),
    ],
)
def test_not_while_nanoclaw_runs(
    guest: Guest, saved: Repository, ps: str, launchctl: str, why: str
) -> None:
    before = spoil(guest)
    guest.runs(ps, launchctl)
    answer = guest.put(pieces(saved))
    assert answer["ok"] is False
    assert why in answer["why"]
    assert guest.content() == before
    assert not list(guest.root.parent.glob("state.*"))


@pytest.mark.parametrize("cut", [1, 2, 5, -1])
def test_a_backup_that_is_cut_changes_nothing(guest: Guest, saved: Repository, cut: int) -> None:
    before = spoil(guest)
    answer = guest.put(list(pieces(saved))[:cut])
    assert answer["ok"] is False
    assert guest.content() == before
    assert not list(guest.root.parent.glob("state.*"))


def test_a_piece_that_was_altered_on_the_way_changes_nothing(
    guest: Guest, saved: Repository
) -> None:
    before = spoil(guest)
    parts = [p.replace(b"memory\n", b"mEmory\n") for p in pieces(saved)]
    answer = guest.put(parts)
    assert "came out otherwise" in answer["why"]
    assert guest.content() == before


def test_the_same_name_twice_is_refused(guest: Guest, saved: Repository) -> None:
    assert guest.put(pieces(saved))["ok"]
    before = guest.content()
    assert "is there already" in guest.put(pieces(saved))["why"]
    assert guest.content() == before
    assert guest.put(pieces(saved), stamp="later")["ok"]


def test_killed_at_every_step_there_is_always_a_whole_state(
    guest: Guest, saved: Repository, tmp_path: Path
) -> None:
    from clawkeep.backup import writer  # noqa: PLC0415 - it runs in a child of this process

    good = {k: v for k, v in guest.content().items() if k != ".env"}
    spoilt = spoil(guest)
    task = tmp_path / "task"
    number = 0
    os.environ["PATH"] = f"{guest.bin}:{os.environ['PATH']}"

    def put() -> None:
        with task.open("rb") as stdin:
            answer = writer.restore(stdin, guest.task(str(number)))  # type: ignore[no-untyped-call]
        assert answer["ok"]

    task.write_bytes(b"".join(pieces(saved)))
    while dying_after(number, put):
        now = guest.content()
        assert now == spoilt or {**now, ".env": b""} == {**good, ".env": b""}
        number += 1
    assert number > 10
    now = guest.content()
    now.pop(".env")
    assert now == good
    # Whatever came before lies beside it, whole.
    kept = guest.root.with_name(f"state.before-{number}")
    guest.root = kept
    assert guest.content() in (spoilt, {**good, ".env": b"TOKEN=newer\n"})
