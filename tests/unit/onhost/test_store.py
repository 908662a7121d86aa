"""Root's files and folders: nobody else may have had a hand in them."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from clawkeep.onhost import paths, store, tail


def others(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.parent.iterdir() if one != folder)


def sound(folder: Path) -> bool:
    found = os.lstat(folder)
    return stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o755


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o000])
def test_a_folder_that_is_missing_is_made(tmp_path: Path, mask: int) -> None:
    folder = tmp_path / "clawkeep"
    before = os.umask(mask)
    try:
        assert store.own_folder(folder) == ""
    finally:
        os.umask(before)
    assert sound(folder)
    (folder / "x").touch()
    assert store.own_folder(folder) == ""
    assert (folder / "x").exists()


def test_one_that_is_closed_too_far_is_opened_for_readers(tmp_path: Path) -> None:
    folder = tmp_path / "clawkeep"
    folder.mkdir(mode=0o700)
    (folder / "x").touch()
    assert store.own_folder(folder) == ""
    assert sound(folder)
    assert (folder / "x").exists()


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o1777])
def test_what_others_may_write_to_is_put_aside_with_all_that_lies_in_it(
    tmp_path: Path, mode: int
) -> None:
    folder = tmp_path / "clawkeep"
    folder.mkdir()
    folder.chmod(mode)
    (folder / "enforced.json").write_text("{}")
    assert f"has mode {mode:o}" in store.own_folder(folder)
    assert sound(folder)
    assert list(folder.iterdir()) == []
    [aside] = others(folder)
    assert (tmp_path / aside / "enforced.json").exists()


def test_a_link_is_never_followed(tmp_path: Path) -> None:
    folder, target = tmp_path / "run" / "clawkeep", tmp_path / "elsewhere"
    target.mkdir(mode=0o700)
    folder.parent.mkdir()
    folder.symlink_to(target)
    assert "is a link" in store.own_folder(folder)
    assert sound(folder)
    assert stat.S_IMODE(target.stat().st_mode) == 0o700


def test_a_file_in_its_place_is_put_aside(tmp_path: Path) -> None:
    folder = tmp_path / "clawkeep"
    folder.touch()
    assert "is no folder" in store.own_folder(folder)
    assert sound(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a folder away")
def test_somebody_elses_folder_is_put_aside(tmp_path: Path) -> None:
    folder = tmp_path / "clawkeep"
    folder.mkdir()
    os.chown(folder, 501, -1)
    assert "belongs to user 501" in store.own_folder(folder)
    assert os.lstat(folder).st_uid == 0


def test_what_is_written_is_whole_or_not_there(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "file.json"
    store.write(file, json.dumps({"a": 1}), 0o600)
    assert (json.loads(file.read_text()), stat.S_IMODE(file.stat().st_mode)) == ({"a": 1}, 0o600)
    with pytest.raises(UnicodeEncodeError):
        store.write(file, "\udcff")
    assert json.loads(file.read_text()) == {"a": 1}


def test_a_record_of_events_that_grew_too_long_goes_on_in_a_new_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MAX_EVENTS", 400)
    monkeypatch.setattr(paths, "EVENTS", tmp_path / "events.jsonl")
    mark, read = None, []
    for number in range(40):
        store.event("repaired", f"number {number}")
        piece = tail.read(paths.EVENTS, mark)
        while piece.lines:
            read += [json.loads(line)["text"] for line in piece.lines]
            mark = piece.mark
            piece = tail.read(paths.EVENTS, mark)
    # Whoever follows it misses nothing, and two files of bounded size are all there is.
    assert read == [f"number {number}" for number in range(40)]
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["events.jsonl", "events.jsonl.1"]
    assert all(file.stat().st_size < 600 for file in files)
