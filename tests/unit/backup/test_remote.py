"""A repository behind SFTP, spoken by OpenSSH's own server."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from clawkeep.backup import remote
from clawkeep.backup.check import check
from clawkeep.backup.errors import BackupError, HeldError, MissingError
from clawkeep.backup.plan import Retention
from clawkeep.backup.prune import prune
from clawkeep.backup.remote import Remote
from clawkeep.backup.repository import Repository
from clawkeep.backup.restore import compare, looked, restore
from clawkeep.backup.sftp import Sftp, SftpError
from tests.unit.backup.world import KEY, backed_up, objects, opened, tree

SERVER = next(
    (p for p in ("/usr/lib/openssh/sftp-server", "/usr/libexec/sftp-server") if Path(p).exists()),
    shutil.which("sftp-server"),
)
pytestmark = pytest.mark.skipif(SERVER is None, reason="OpenSSH's sftp-server is not installed")


def connected() -> Sftp:
    return Sftp([str(SERVER)], "nas")


@pytest.fixture
def sftp() -> Iterator[Sftp]:
    connection = connected()
    yield connection
    connection.close()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tree(tmp_path / "state")


@pytest.fixture
def repository(sftp: Sftp, tmp_path: Path) -> Repository:
    storage = Remote(sftp, str(tmp_path / "r"))
    storage.make()
    return Repository.create(storage, KEY)


def test_a_remote_repository_is_as_a_local_one(
    repository: Repository, state: Path, tmp_path: Path
) -> None:
    made = backed_up(repository, state)
    assert not made.problems
    again = backed_up(repository, state).backup
    assert again.added == 0
    assert check(repository, seen=2).problems == []
    restore(repository, again, tmp_path / "back")
    assert compare(repository, again, tmp_path / "back", looked).differences == []
    prune(repository, Retention(last=1, daily=0, weekly=0, monthly=0))
    assert check(repository).leftovers == 0
    assert not (tmp_path / "r/lock").exists()
    # What is there is a repository like any other.
    assert check(opened(tmp_path / "r")).problems == []
    assert {oct(p.stat().st_mode & 0o777) for p in objects(tmp_path / "r")} == {"0o600"}


def test_what_is_missing_says_so(repository: Repository, state: Path, tmp_path: Path) -> None:
    backed_up(repository, state)
    victim = max(objects(tmp_path / "r/chunks"), key=lambda p: p.stat().st_size)
    victim.unlink()
    assert "agent:big: chunk" in check(repository).problems[0]
    with pytest.raises(MissingError):
        repository.chunk(victim.name)


def test_an_upload_that_came_out_otherwise_is_no_object(
    repository: Repository, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backed_up(repository, state)
    before = [(p, p.read_bytes()) for p in objects(tmp_path / "r")]
    (state / "new").write_text("new")
    real = Sftp.sync

    def spoilt(self: Sftp, handle: bytes) -> None:
        real(self, handle)
        for path in (tmp_path / "r/tmp").iterdir():
            path.write_bytes(path.read_bytes()[:-1] + b"?")

    monkeypatch.setattr(Sftp, "sync", spoilt)
    with pytest.raises(BackupError, match="does not read back"):
        backed_up(repository, state)
    monkeypatch.undo()
    assert [(p, p.read_bytes()) for p in objects(tmp_path / "r")] == before


def test_two_writers(repository: Repository, state: Path, tmp_path: Path) -> None:
    other = connected()
    with repository.writing(), pytest.raises(HeldError, match=f"pid {os.getpid()}"):
        backed_up(opened(Remote(other, str(tmp_path / "r"))), state)
    other.close()
    backed_up(repository, state)


def left_by(tmp_path: Path, **values: object) -> None:
    words = {"holder": "somebody (pid 9)", "host": "elsewhere", "pid": 9, "token": "x", **values}
    (tmp_path / "r/lock").write_text(json.dumps(words))


def test_a_lock_whose_holder_is_gone(repository: Repository, state: Path, tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left_by(tmp_path, host=socket.gethostname(), pid=gone.pid)
    backed_up(repository, state)
    left_by(tmp_path)  # Of another machine: nobody can know.
    with pytest.raises(HeldError, match="somebody"):
        backed_up(repository, state)
    old = (tmp_path / "r/lock").stat().st_mtime - remote.STALE_S - 60
    os.utime(tmp_path / "r/lock", (old, old))
    backed_up(repository, state)


def test_a_lock_that_was_taken_over_commits_nothing(
    repository: Repository, state: Path, tmp_path: Path
) -> None:
    with repository.writing() as writing:
        left_by(tmp_path)
        with pytest.raises(HeldError, match="taken over"):
            writing.commit([])
    assert (tmp_path / "r/lock").exists()  # It is not ours to remove.


def test_a_server_that_is_no_server() -> None:
    with pytest.raises(SftpError, match=r"nas: the connection ended: .*went wrong"):
        Sftp([sys.executable, "-c", "import sys; sys.exit('it went wrong')"], "nas")
    with pytest.raises(SftpError, match="no SFTP"):
        Sftp([sys.executable, "-c", "print('Welcome to the NAS, enjoy')"], "nas")


def test_a_server_that_dies_in_the_middle(
    repository: Repository, sftp: Sftp, state: Path, tmp_path: Path
) -> None:
    backed_up(repository, state)
    with repository.writing():
        sftp._process.kill()
        sftp._process.wait()
        with pytest.raises(SftpError, match="nas: the connection ended"):
            repository.storage.write("chunks/00/00", [b"x"])
    it = opened(tmp_path / "r")
    assert check(it).problems == []
