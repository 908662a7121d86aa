"""Killed at every step, a full disk at every write: what was there before stays as it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clawkeep.backup.check import check
from clawkeep.backup.errors import BackupError
from clawkeep.backup.plan import Retention
from clawkeep.backup.prune import prune
from clawkeep.backup.repository import Repository
from clawkeep.backup.restore import compare, looked, restore
from clawkeep.backup.storage import Folder
from tests.unit.backup.world import KEY, backed_up, opened, repository, tree

STEPS = ("open", "replace", "unlink", "fsync", "ftruncate", "mkdir")


def dying_after(number: int, work: Callable[[], None]) -> bool:
    """Run `work` in a child that is killed before its n-th change of a file; tell if it was."""
    child = os.fork()
    if child:
        return os.WIFSIGNALED(os.waitpid(child, 0)[1])
    left = number

    def counted(real: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **options: object) -> object:
            nonlocal left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **options)

        return call

    for name in STEPS:
        setattr(os, name, counted(getattr(os, name)))
    try:
        work()
        os._exit(0)
    except BaseException:  # noqa: BLE001 - the child must not go on as pytest
        os._exit(1)


def sound(home: Path, backups: int, into: Path | None = None) -> None:
    """Every backup that there is can be restored as it was."""
    it = opened(home)
    assert check(it).problems == []
    assert len(it.catalogue().backups) >= backups
    for number, backup in enumerate(it.catalogue().backups if into else ()):
        assert into
        into.mkdir(exist_ok=True)
        restore(it, backup, into / str(number))
        assert compare(it, backup, into / str(number), looked).differences == []


@pytest.fixture
def state(tmp_path: Path) -> Path:
    root = tree(tmp_path / "state")
    (root / "big").write_bytes(b"small")
    return root


def test_killed_at_every_step_of_a_backup(state: Path, tmp_path: Path) -> None:
    home, number = tmp_path / "r", 0
    backed_up(repository(home), state)
    (state / "more").write_text("new")
    while dying_after(number, lambda: void(backed_up(opened(home), state))):
        sound(home, 1)
        (state / "more").write_text(f"new {number}")
        number += 1
    assert number > 10
    sound(home, 2, tmp_path)
    backed_up(opened(home), state)
    prune(opened(home), Retention(last=1, daily=0, weekly=0, monthly=0))
    it = opened(home)
    assert check(it).leftovers == 0
    assert list(Folder(home).names("tmp")) == []


def test_killed_at_every_step_of_a_prune(state: Path, tmp_path: Path) -> None:
    home, number = tmp_path / "r", 0
    repository(home)
    for round_ in range(4):
        (state / "changing").write_text(f"{round_}")
        backed_up(opened(home), state)
    keep = Retention(last=1, daily=0, weekly=0, monthly=0)
    while dying_after(number, lambda: void(prune(opened(home), keep))):
        sound(home, 1)
        number += 1
    assert number > 5
    sound(home, 1, tmp_path)
    assert len(opened(home).catalogue().backups) == 1
    assert check(opened(home)).leftovers == 0


def test_killed_while_the_repository_is_made(tmp_path: Path) -> None:
    home, number = tmp_path / "r", 0

    def make() -> None:
        folder = Folder(home)
        folder.make()
        try:
            Repository.open(folder, KEY)
        except BackupError:
            Repository.create(folder, KEY)

    while dying_after(number, make):
        number += 1
    assert number > 3
    assert opened(home).catalogue().backups == ()


def test_a_killed_backup_is_resumed(state: Path, tmp_path: Path) -> None:
    home = tmp_path / "r"
    repository(home)
    (state / "big").write_bytes(os.urandom(9 << 20))
    number = 30
    while not list((home / "chunks").rglob("?" * 64)):
        assert dying_after(number, lambda: void(backed_up(opened(home), state)))
        number += 5
    there = sum(p.stat().st_size for p in (home / "chunks").rglob("?" * 64))
    backup = backed_up(opened(home), state).backup
    everything = sum(p.stat().st_size for p in (home / "chunks").rglob("?" * 64))
    assert backup.added == everything - there


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Yield a file system of 1 MB."""
    if os.geteuid() != 0 or sys.platform != "linux":
        pytest.skip("a small tmpfs needs root on Linux")
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_disk_that_is_full_at_any_write(state: Path, tmp_path: Path, small_disk: Path) -> None:
    home, filler = small_disk / "r", small_disk / "filler"
    backed_up(repository(home), state)
    refused = made = 0
    for number, left in enumerate(range(0, 200 << 10, 4 << 10)):
        (state / "more").write_bytes(os.urandom(60 << 10))
        with filler.open("wb") as file:
            file.write(b"x" * (free(small_disk) - left))
        if said := complaint(home, state):
            refused += 1
            assert "No space left" in said
            assert "make room" in said
        else:
            made += 1
        sound(home, 1, tmp_path / str(number) if number % 10 == 0 else None)
        filler.unlink()
        if made:
            prune(opened(home), Retention(last=1, daily=0, weekly=0, monthly=0))
            break
    assert refused > 5
    assert made == 1


def complaint(home: Path, state: Path) -> str:
    """Make a backup; return why it failed, "" if it did not."""
    try:
        backed_up(opened(home), state)
    except BackupError as error:
        return str(error)
    return ""


def free(place: Path) -> int:
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize


def void(_: object) -> None:
    """Forget what a call returned."""
