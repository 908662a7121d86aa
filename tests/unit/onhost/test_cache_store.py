"""The cache's files: taken in by their hash or not at all."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from clawkeep.cache.index import Index, Item
from clawkeep.onhost.cache_store import CacheError, Store

KEY = "formula jq (x)"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "clawkeep" / "cache")


@pytest.fixture
def handed(tmp_path: Path) -> Path:
    folder = tmp_path / "handed"
    folder.mkdir()
    return folder


def item(content: bytes, name: str = "jq", key: str = KEY) -> Item:
    sha256 = hashlib.sha256(content).hexdigest()
    return Item("formula", name, "1", sha256, len(content), f"homebrew/{name}", "brew", (key,))


def lay(folder: Path, one: Item, content: bytes) -> None:
    (folder / one.sha256).write_bytes(content)


def test_what_is_as_it_must_be_is_taken_in(store: Store, handed: Path) -> None:
    one = item(b"bottle")
    lay(handed, one, b"bottle")
    assert store.admit(handed, [KEY], [one]) == [one.sha256]
    assert store.index() == Index((one,))
    kept = store.blobs / one.sha256
    assert (kept.read_bytes(), kept.stat().st_mode & 0o777) == (b"bottle", 0o644)
    assert store.absent(store.index()) == ()
    assert list(store.damaged(store.index())) == []


def test_one_wrong_file_and_none_is_taken_in(store: Store, handed: Path) -> None:
    good, bad = item(b"good", "a"), item(b"bottle", "jq")
    lay(handed, good, b"good")
    lay(handed, bad, b"bottlf")
    with pytest.raises(CacheError, match="formula jq 1: what came has the SHA-256"):
        store.admit(handed, [KEY], [good, bad])
    assert list(store.blobs.iterdir()) == []
    assert store.index() == Index()


def test_a_link_to_what_root_alone_may_read_is_not_followed(
    store: Store, handed: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    one = item(b"secret")
    (handed / one.sha256).symlink_to(secret)
    with pytest.raises(OSError, match=r"symbolic|Too many levels"):
        store.admit(handed, [KEY], [one])
    assert list(store.blobs.iterdir()) == []


def test_a_pipe_does_not_hang_it(store: Store, handed: Path) -> None:
    one = item(b"bottle")
    os.mkfifo(handed / one.sha256)
    with pytest.raises(OSError, match="no plain file"):
        store.admit(handed, [KEY], [one])


def test_a_flipped_byte_is_found_and_named(store: Store, handed: Path) -> None:
    one, other = item(b"bottle"), item(b"other", "other")
    lay(handed, one, b"bottle")
    lay(handed, other, b"other")
    store.admit(handed, [KEY], [one, other])
    (store.blobs / one.sha256).write_bytes(b"bottlf")
    ((found, words),) = store.damaged(store.index())
    assert found == one
    assert words.startswith("has the SHA-256 ")
    assert store.absent(store.index()) == ()


def test_a_file_that_is_gone_is_absent(store: Store, handed: Path) -> None:
    one = item(b"bottle")
    lay(handed, one, b"bottle")
    store.admit(handed, [KEY], [one])
    (store.blobs / one.sha256).unlink()
    assert store.absent(store.index()) == (one,)


def test_what_nobody_wants_goes_and_what_is_shared_stays(store: Store, handed: Path) -> None:
    both = [item(b"one", "one"), item(b"two", "two", "npm x (y)")]
    for one, content in zip(both, (b"one", b"two"), strict=True):
        lay(handed, one, content)
    store.admit(handed, [KEY, "npm x (y)"], both)
    gone, freed = store.prune([KEY])
    assert ([one.name for one in gone], freed) == (["two"], 3)
    assert [file.name for file in store.blobs.iterdir()] == [both[0].sha256]
    assert store.index() == Index((both[0],))


def test_what_a_killed_run_left_is_swept(store: Store, handed: Path) -> None:
    store.prune([])
    half = store.blobs / f".{'a' * 64}.new"
    half.write_bytes(b"half")
    one = item(b"bottle")
    lay(handed, one, b"bottle")
    store.admit(handed, [KEY], [one])
    assert not half.exists()


def test_a_folder_that_others_may_write_to_is_put_aside(store: Store, handed: Path) -> None:
    store.prune([])
    store.blobs.chmod(0o777)
    with pytest.raises(CacheError, match="others may write to it"):
        store.prune([])
    store.prune([])
    assert store.blobs.stat().st_mode & 0o777 == 0o755
