"""Create, check, restore: what comes back is what was there, and whatever is not is named."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from clawkeep.backup.check import check, set_aside
from clawkeep.backup.errors import BackupError, DamageError, HeldError
from clawkeep.backup.keys import WrongKeyError
from clawkeep.backup.repository import CHUNK
from clawkeep.backup.restore import compare, looked, restore
from tests.unit.backup.world import backed_up, objects, opened, repository, tree


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tree(tmp_path / "state")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "repository"


def restored(home: Path, into: Path, name: str = "latest") -> list[str]:
    it = opened(home)
    backup = it.catalogue().get(name)
    restore(it, backup, into)
    return compare(it, backup, into, looked).differences


def test_what_comes_back_is_what_was_there(state: Path, home: Path, tmp_path: Path) -> None:
    made = backed_up(repository(home), state)
    assert not made.problems
    assert restored(home, tmp_path / "back") == []
    back = tmp_path / "back" / "agent"
    for path in state.rglob("*"):
        other = back / path.relative_to(state)
        assert path.is_symlink() == other.is_symlink()
        if path.is_file() and path.suffix != ".db":
            assert path.read_bytes() == other.read_bytes()
        if not path.is_symlink():
            assert path.stat().st_mode == other.stat().st_mode
    with sqlite3.connect(back / "store/messages.db") as db:
        assert db.execute("SELECT count(*) FROM messages").fetchone() == (300,)
    db.close()


def test_a_second_backup_writes_only_what_changed(state: Path, home: Path) -> None:
    first = backed_up(repository(home), state).backup
    again = backed_up(opened(home), state).backup
    assert first.added > 5 << 20
    assert again.added == 0
    assert again.bytes == first.bytes
    with (state / "big").open("r+b") as file:
        file.write(b"changed")
    assert CHUNK < backed_up(opened(home), state).backup.added < CHUNK + 1000


def test_left_out_is_what_was_named(state: Path, home: Path, tmp_path: Path) -> None:
    backed_up(repository(home), state, skip=[".env", "groups/*/logs", "**/link"])
    restored(home, tmp_path / "back")
    names = {str(p.relative_to(tmp_path / "back/agent")) for p in (tmp_path / "back").rglob("*")}
    assert "groups/main/CLAUDE.md" in names
    assert not names & {".env", "groups/main/logs", "groups/main/link"}


def test_only_what_was_named(state: Path, home: Path, tmp_path: Path) -> None:
    backed_up(repository(home), state, only=["groups/main", "big"])
    restored(home, tmp_path / "back")
    assert sorted(p.name for p in (tmp_path / "back/agent").iterdir()) == ["big", "groups"]


def test_a_database_in_wal_mode_is_copied_whole(state: Path, home: Path, tmp_path: Path) -> None:
    db = sqlite3.connect(state / "store/wal.db")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA wal_autocheckpoint = 0")
    db.execute("CREATE TABLE late (x)")
    db.execute("INSERT INTO late VALUES (1), (2), (3)")
    db.commit()
    plain = shutil.copy(state / "store/wal.db", tmp_path / "plain.db")
    with sqlite3.connect(plain) as copy:  # What a copy of the file alone has.
        assert copy.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    backed_up(repository(home), state)
    assert restored(home, tmp_path / "back") == []
    assert not (tmp_path / "back/agent/store/wal.db-wal").exists()
    with sqlite3.connect(tmp_path / "back/agent/store/wal.db") as copy:
        assert copy.execute("SELECT count(*) FROM late").fetchone() == (3,)
    db.close()


def test_a_damaged_database_is_kept_and_named(state: Path, home: Path) -> None:
    data = bytearray((state / "store/messages.db").read_bytes())
    data[4096:8192] = os.urandom(4096)
    (state / "store/messages.db").write_bytes(data)
    made = backed_up(repository(home), state)
    assert len(made.problems) == 1
    assert "agent:store/messages.db" in made.problems[0]


def test_another_key_opens_nothing(state: Path, home: Path) -> None:
    backed_up(repository(home), state)
    with pytest.raises(WrongKeyError):
        opened(home, "another passphrase, long enough")


def test_a_passphrase_opens_what_it_made(home: Path) -> None:
    repository(home, "correct horse battery staple")
    assert opened(home, "correct horse battery staple").catalogue().backups == ()
    with pytest.raises(WrongKeyError):
        opened(home, "correct horse battery stable")


def test_nothing_of_the_content_or_its_names_is_readable(state: Path, home: Path) -> None:
    backed_up(repository(home), state)
    everything = b"".join(path.read_bytes() for path in objects(home))
    for word in (b"memory", b"CLAUDE", b"messages", b"TOKEN", b"groups"):
        assert word not in everything


def test_two_writers_at_once(state: Path, home: Path) -> None:
    it = repository(home)
    with it.writing(), pytest.raises(HeldError, match=f"pid {os.getpid()}"):
        backed_up(opened(home), state)
    backed_up(opened(home), state)  # The lock went with its holder.


def test_a_chunk_that_was_set_aside_heals(state: Path, home: Path) -> None:
    backed_up(repository(home), state)
    victim = max(objects(home / "chunks"), key=lambda p: p.stat().st_size)
    data = bytearray(victim.read_bytes())
    data[1000] ^= 1
    victim.write_bytes(data)
    found = check(opened(home))
    assert len(found.problems) == 1
    assert "agent:big" in found.problems[0]
    assert set_aside(opened(home), found) == 1
    assert "is missing" in check(opened(home)).problems[0]
    backed_up(opened(home), state)
    assert check(opened(home)).problems == []


def test_an_old_catalogue_put_back_is_seen(state: Path, home: Path) -> None:
    backed_up(repository(home), state)
    old = (home / "catalogue").read_bytes()
    backed_up(opened(home), state)
    assert check(opened(home), seen=2).problems == []
    (home / "catalogue").write_bytes(old)
    assert "an old one" in check(opened(home), seen=2).problems[0]


def test_nothing_is_restored_over_something(state: Path, home: Path, tmp_path: Path) -> None:
    backed_up(repository(home), state)
    (tmp_path / "there").mkdir()
    (tmp_path / "there/mine").write_text("x")
    with pytest.raises(BackupError, match="no empty folder"):
        restored(home, tmp_path / "there")
    assert [p.name for p in (tmp_path / "there").iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda back: (back / "big").write_bytes(b"x"), "agent:big: has 1 bytes"),
        (lambda back: (back / "nothing").chmod(0o644 ^ 0o111), "agent:nothing: has mode"),
        (lambda back: (back / "empty").rmdir(), "agent:empty: is missing"),
        (lambda back: (back / "more").touch(), "agent/more: is in no manifest"),
        (
            lambda back: (back / "groups/main/CLAUDE.md").write_text("mEmory\n"),
            "agent:groups/main/CLAUDE.md: has another content",
        ),
    ],
)
def test_a_difference_on_the_disk_is_named(
    state: Path, home: Path, tmp_path: Path, harm: object, said: str
) -> None:
    assert callable(harm)
    backed_up(repository(home), state)
    assert restored(home, tmp_path / "back") == []
    harm(tmp_path / "back/agent")
    it = opened(home)
    found = compare(it, it.catalogue().get("latest"), tmp_path / "back", looked).differences
    assert len(found) == 1
    assert found[0].startswith(said)


def test_a_restore_of_a_damaged_chunk_names_the_file(
    state: Path, home: Path, tmp_path: Path
) -> None:
    backed_up(repository(home), state)
    victim = max(objects(home / "chunks"), key=lambda p: p.stat().st_size)
    victim.write_bytes(victim.read_bytes()[:-1])
    with pytest.raises(DamageError, match="agent:big"):
        restored(home, tmp_path / "back")
