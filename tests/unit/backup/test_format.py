"""The format: any content comes back, and any harm done to a repository is found."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clawkeep.backup import segments
from clawkeep.backup.check import check
from clawkeep.backup.create import create
from clawkeep.backup.errors import BackupError, DamageError
from clawkeep.backup.manifest import Entry, Sum
from clawkeep.backup.records import Begin, Done, Piece, Record
from clawkeep.backup.repository import Repository
from tests.unit.backup.world import objects, opened, repository, stream

FILES = {"a": b"first", "b": b"second" * 30, "c": b"", "d": b"first"}


def records(files: dict[str, bytes]) -> Iterator[Record]:
    """Yield what a reader would send of these files."""
    yield Begin(Entry("agent", "", "folder", 0o700))
    for name, content in sorted(files.items()):
        yield Begin(Entry("agent", name, "file", 0o600))
        if content:
            yield Piece(content)
        yield Done()


def contents(it: Repository, name: str = "latest") -> dict[str, bytes]:
    backup = it.catalogue().get(name)
    return {
        entry.path: b"".join(it.content(entry))
        for entry in it.entries(backup)
        if isinstance(entry, Entry) and entry.kind == "file"
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository with two backups, which no test changes."""
    path = tmp_path_factory.mktemp("made") / "repository"
    it = repository(path)
    create(it, lambda: records(FILES), ["agent"])
    create(it, lambda: records({**FILES, "e": b"new"}), ["agent"])
    return path


@contextmanager
def copy(made: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(shutil.copytree(made, Path(folder) / "copy"))


def found(path: Path) -> list[str]:
    """Return what is said about a repository, by whoever finds it first."""
    try:
        return check(opened(path), seen=2).problems
    except BackupError as error:
        return [str(error)]


def test_the_control_nothing_is_found_in_a_sound_one(made: Path) -> None:
    with copy(made) as path:
        assert found(path) == []
        assert contents(opened(path)) == {**FILES, "e": b"new"}


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.binary(max_size=3000)))
@settings(max_examples=25, deadline=None)
def test_any_content_comes_back(files: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        it = repository(Path(folder) / "r")
        create(it, lambda: records(files), ["agent"])
        assert contents(opened(Path(folder) / "r")) == files
        assert check(it).problems == []


@given(st.data(), st.integers(1, 255))
@settings(max_examples=120, deadline=None)
def test_a_flipped_byte_anywhere_is_found(made: Path, data: st.DataObject, flip: int) -> None:
    with copy(made) as path:
        victim = data.draw(st.sampled_from(objects(path)))
        content = bytearray(victim.read_bytes())
        content[data.draw(st.integers(0, len(content) - 1))] ^= flip
        victim.write_bytes(content)
        assert found(path)


@given(st.data())
@settings(max_examples=120, deadline=None)
def test_a_cut_anywhere_is_found(made: Path, data: st.DataObject) -> None:
    with copy(made) as path:
        victim = data.draw(st.sampled_from(objects(path)))
        content = victim.read_bytes()
        victim.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
        assert found(path)


@given(st.data(), st.binary(min_size=1, max_size=40))
@settings(max_examples=60, deadline=None)
def test_anything_appended_is_found(made: Path, data: st.DataObject, more: bytes) -> None:
    with copy(made) as path:
        victim = data.draw(st.sampled_from(objects(path)))
        victim.write_bytes(victim.read_bytes() + more)
        assert found(path)


def test_any_missing_object_is_found(made: Path) -> None:
    for number in range(len(objects(made))):
        with copy(made) as path:
            victim = objects(path)[number]
            victim.unlink()
            assert found(path), victim


def test_any_two_exchanged_objects_are_found(made: Path) -> None:
    names = objects(made)
    for one in range(len(names)):
        for other in range(one + 1, len(names)):
            with copy(made) as path:
                a, b = objects(path)[one], objects(path)[other]
                content = a.read_bytes()
                a.write_bytes(b.read_bytes())
                b.write_bytes(content)
                assert found(path), (a, b)


def test_a_chunk_under_another_name_is_found(made: Path) -> None:
    with copy(made) as path:
        chunk = objects(path / "chunks")[0]
        (chunk.parent / (chunk.name[:2] + "0" * 62)).write_bytes(chunk.read_bytes())
        assert "no backup uses it" in found(path)[0]


def test_objects_of_another_repository_with_the_same_key_are_found(
    made: Path, tmp_path: Path
) -> None:
    other = repository(tmp_path / "other")
    create(other, lambda: records(FILES), ["agent"])
    create(other, lambda: records({**FILES, "e": b"new"}), ["agent"])
    with copy(made) as path:
        shutil.copy(tmp_path / "other/catalogue", path / "catalogue")
        assert found(path)


def test_a_manifest_put_back_for_a_later_one_is_found(made: Path) -> None:
    with copy(made) as path:
        first, second = sorted((path / "manifests").iterdir())
        second.write_bytes(first.read_bytes())
        assert any(second.name in line for line in found(path))


def test_the_file_is_named(made: Path) -> None:
    it = opened(made)
    entries = list(it.entries(it.catalogue().backups[0]))
    assert isinstance(entries[-1], Sum)
    chunk = next(e.chunks[0] for e in entries if isinstance(e, Entry) and e.path == "b")
    with copy(made) as path:
        (path / "chunks" / chunk[:2] / chunk).unlink()
        assert [line.split(": ")[1] for line in found(path)] == ["agent:b", "agent:b"]


@given(st.lists(st.binary(max_size=200_000), max_size=6))
@settings(max_examples=25, deadline=None)
def test_a_stream_of_any_length_comes_back(made: Path, pieces: list[bytes]) -> None:
    keys = opened(made).keys
    sealed = b"".join(segments.seal(keys, "x", pieces))
    assert b"".join(segments.unseal(keys, "x", stream(sealed))) == b"".join(pieces)


def harms(parts: list[bytes]) -> dict[str, list[bytes]]:
    return {
        "first missing": parts[1:],
        "middle missing": parts[:1] + parts[2:],
        "last missing": parts[:-1],
        "doubled": [parts[0], *parts],
        "exchanged": [parts[1], parts[0], *parts[2:]],
        "more behind": [*parts, parts[0]],
    }


@pytest.mark.parametrize("harm", harms([b""] * 3))
def test_parts_of_a_stream_keep_their_places(made: Path, harm: str) -> None:
    keys = opened(made).keys
    head, *parts = segments.seal(keys, "x", [b"x" * (segments.SEGMENT * 2 + 5)])
    assert len(parts) == 3
    unsealed: Callable[[list[bytes]], bytes] = lambda p: b"".join(  # noqa: E731
        segments.unseal(keys, "x", stream(head + b"".join(p)))
    )
    assert len(unsealed(parts)) == segments.SEGMENT * 2 + 5
    with pytest.raises(DamageError):
        unsealed(harms(parts)[harm])
    with pytest.raises(DamageError):
        b"".join(segments.unseal(keys, "y", stream(head + b"".join(parts))))
