"""secrets.sealed of a project: kept, changed, rotated, and never half of it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from clawkeep.secrets import Secret, SecretError, files
from clawkeep.secrets.sealed import new_key, unseal
from clawkeep.secrets.sealing import FileRing
from clawkeep.secrets.store import Store

PLANTED = "hunter2-planted"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return new_store(tmp_path)


def new_store(folder: Path, name: str = "project") -> Store:
    (folder / name).mkdir()
    return Store(folder / name, FileRing(folder / "config" / "sealing.key"), clock=lambda: 0)


def values(store: Store) -> dict[str, str]:
    return {name: one.value.reveal() for name, one in store.all().items()}


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_what_was_sealed_is_there_with_its_time_and_nowhere_in_plain_text(
    store: Store, tmp_path: Path
) -> None:
    assert store.all() == {}
    assert store.put("a", Secret(PLANTED)) is False
    assert store.put("b", Secret("two\nlines ü")) is False
    assert values(store) == {"a": PLANTED, "b": "two\nlines ü"}
    assert store.get("a").reveal() == PLANTED
    assert store.all()["a"].at == "1970-01-01T00:00:00Z"
    assert PLANTED.encode() not in everything(tmp_path)
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    assert os.listdir(store.folder) == ["secrets.sealed"]


def test_a_second_one_of_a_name_replaces_the_first(store: Store) -> None:
    store.put("a", Secret("old"))
    assert store.put("a", Secret("new")) is True
    assert values(store) == {"a": "new"}


def test_one_that_is_removed_is_gone_and_the_others_stay(store: Store) -> None:
    store.put("a", Secret("1"))
    store.put("b", Secret("2"))
    store.remove("a")
    assert values(store) == {"b": "2"}
    with pytest.raises(SecretError, match=r"no secret of that name \(it has b\)"):
        store.remove("a")


def test_a_name_that_is_not_there_is_an_error_that_says_which_are(store: Store) -> None:
    with pytest.raises(SecretError, match=r"nothing is sealed yet.*clawkeep secrets seal"):
        store.get("a")
    store.put("b", Secret(PLANTED))
    with pytest.raises(SecretError, match="it has b") as caught:
        store.get("a")
    assert PLANTED not in str(caught.value)


def test_a_spoilt_file_is_an_error_and_is_not_overwritten(store: Store) -> None:
    store.put("a", Secret("1"))
    spoilt = store.path.read_bytes()[:-8]
    store.path.write_bytes(spoilt)
    for action in (store.all, lambda: store.put("b", Secret("2")), store.rotate):
        with pytest.raises(SecretError, match=r"secrets\.sealed was cut or altered"):
            action()
    assert store.path.read_bytes() == spoilt


def test_a_lost_key_is_an_error_and_no_other_is_made_in_its_place(store: Store) -> None:
    store.put("a", Secret("1"))
    ring = store.ring
    assert isinstance(ring, FileRing)
    ring.path.unlink()
    for action in (store.all, lambda: store.put("b", Secret("2")), store.rotate):
        with pytest.raises(SecretError, match=r"there is no key at .*; bring the key"):
            action()
    assert not ring.path.exists()


def test_another_key_is_an_error_that_names_both(store: Store) -> None:
    store.put("a", Secret("1"))
    store.ring.write([new_key()])
    with pytest.raises(
        SecretError, match=r"sealed with the key [0-9a-f]{16}, and .* holds [0-9a-f]"
    ):
        store.all()


def test_a_project_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    store = Store(tmp_path / "nowhere", FileRing(tmp_path / "key"))
    with pytest.raises(SecretError, match="nowhere: No such file"):
        store.put("a", Secret("1"))


def test_a_new_key_opens_what_the_old_one_does_not_open_any_more(store: Store) -> None:
    store.put("a", Secret(PLANTED))
    [old] = store.ring.read()
    store.rotate()
    [new] = store.ring.read()
    assert new != old
    assert values(store) == {"a": PLANTED}
    with pytest.raises(SecretError, match="is sealed with the key"):
        unseal(store.path.read_bytes(), [old])


def test_other_projects_stay_readable_when_the_old_key_is_kept(tmp_path: Path) -> None:
    one, two = new_store(tmp_path, "one"), new_store(tmp_path, "two")
    one.put("a", Secret("1"))
    two.put("b", Secret("2"))
    one.rotate(keep_old=True)
    assert (values(one), values(two)) == ({"a": "1"}, {"b": "2"})
    two.rotate()
    assert len(two.ring.read()) == 1


def test_there_must_be_something_to_rotate(store: Store) -> None:
    with pytest.raises(SecretError, match="nothing is sealed"):
        store.rotate()


class Killed(BaseException):
    """The end of a process in the middle of what it did."""


@dataclass
class DyingRing:
    """A key file whose process is killed before or after its n-th change."""

    ring: FileRing
    die: Callable[[str], None]

    @property
    def place(self) -> str:
        return self.ring.place

    def folders(self) -> tuple[Path, ...]:
        return self.ring.folders()

    def read(self) -> tuple[bytes, ...]:
        return self.ring.read()

    def write(self, keys: Sequence[bytes]) -> None:
        self.die("before the key")
        self.ring.write(keys)
        self.die("after the key")


@pytest.mark.parametrize("moment", range(6))
def test_a_rotation_killed_at_any_moment_leaves_all_readable_and_is_finished_by_the_next(
    store: Store, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    store.put("a", Secret(PLANTED))
    ring = store.ring
    assert isinstance(ring, FileRing)
    [old] = ring.read()
    moments: list[str] = []

    def die(what: str) -> None:
        moments.append(what)
        if len(moments) == moment + 1:
            raise Killed

    real = files.replace

    def replace(path: Path, content: bytes) -> None:
        die("before the file")
        real(path, content)
        die("after the file")

    monkeypatch.setattr("clawkeep.secrets.store.replace", replace)
    with pytest.raises(Killed):
        Store(store.folder, DyingRing(ring, die)).rotate()
    monkeypatch.undo()
    assert values(store) == {"a": PLANTED}
    store.rotate()
    assert values(store) == {"a": PLANTED}
    assert len(ring.read()) == 1
    assert old not in ring.read()


def test_a_write_that_is_killed_leaves_the_old_file_whole(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("a", Secret("1"))
    before = store.path.read_bytes()

    def killed(_: int) -> None:
        raise Killed

    monkeypatch.setattr(os, "fsync", killed)
    with pytest.raises(Killed):
        store.put("b", Secret(PLANTED))
    assert store.path.read_bytes() == before
    assert os.listdir(store.folder) == ["secrets.sealed"]


PUT = """
import sys
from pathlib import Path
from clawkeep.secrets import Secret
from clawkeep.secrets.sealing import FileRing
from clawkeep.secrets.store import Store
folder = Path(sys.argv[1])
Store(folder / sys.argv[2], FileRing(folder / "config" / "key")).put(sys.argv[3], Secret("x"))
"""


def test_those_who_seal_at_the_same_time_lose_nothing_of_each_other(tmp_path: Path) -> None:
    names = [("one", "a"), ("one", "b"), ("one", "c"), ("two", "a"), ("two", "b"), ("two", "c")]
    for project in ("one", "two"):
        (tmp_path / project).mkdir()
    running = [
        subprocess.Popen([sys.executable, "-c", PUT, str(tmp_path), *words]) for words in names
    ]
    assert [process.wait(60) for process in running] == [0] * len(names)
    ring = FileRing(tmp_path / "config" / "key")
    assert len(ring.read()) == 1
    for project in ("one", "two"):
        assert sorted(Store(tmp_path / project, ring).all()) == ["a", "b", "c"]


def test_a_key_in_the_projects_own_folder_does_not_wait_for_itself(tmp_path: Path) -> None:
    store = Store(tmp_path, FileRing(tmp_path / "sealing.key"))
    store.put("a", Secret("1"))
    assert values(store) == {"a": "1"}


def test_a_file_that_is_a_link_is_changed_where_it_is(store: Store, tmp_path: Path) -> None:
    store.put("a", Secret("1"))
    elsewhere = tmp_path / "elsewhere"
    store.path.rename(elsewhere)
    store.path.symlink_to(elsewhere)
    store.put("b", Secret("2"))
    assert store.path.is_symlink()
    assert values(store) == {"a": "1", "b": "2"}
