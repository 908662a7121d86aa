"""An agent gets what is its group's, and no way to what is not."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from roles.agent.guest.runtime import access
from roles.agent.guest.runtime.access import for_agent, for_all, grant, passable

# Any group that this user may give: the kernel takes no other.
GROUP = 54321 if os.getuid() == 0 else os.getgid()


def mode(path: Path) -> str:
    return f"{stat.S_IMODE(path.lstat().st_mode):04o}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What NanoClaw leaves: its user's alone."""
    top = tmp_path / "family"
    (top / "logs").mkdir(parents=True)
    for path, text in (("CLAUDE.md", "Andy"), ("logs/a.log", ""), ("run.sh", "#!/bin/sh\n")):
        (top / path).write_text(text)
        (top / path).chmod(0o600)
    (top / "run.sh").chmod(0o700)
    (top / "logs").chmod(0o700)
    top.chmod(0o700)
    return top


def test_all_that_is_ours_opens_to_the_group_and_closes_to_others(folder: Path) -> None:
    (folder / "open").write_text("")
    (folder / "open").chmod(0o666)
    grant(str(folder), for_agent(GROUP))
    found = {path.name: mode(path) for path in (folder, *folder.rglob("*"))}
    assert found == {"family": "2770", "logs": "2770", "CLAUDE.md": "0660", "a.log": "0660",
                     "run.sh": "0770", "open": "0660"}  # fmt: skip
    assert {path.lstat().st_gid for path in (folder, *folder.rglob("*"))} == {GROUP}


def test_memory_of_all_is_read_by_all_and_written_by_one_group(folder: Path) -> None:
    grant(str(folder), for_all(GROUP))
    assert (mode(folder), mode(folder / "CLAUDE.md"), mode(folder / "run.sh")) == (
        "2775", "0664", "0775",
    )  # fmt: skip
    before = folder.stat().st_gid
    grant(str(folder), for_all(None))
    assert (mode(folder), mode(folder / "CLAUDE.md")) == ("2755", "0644")
    assert folder.stat().st_gid == before


def test_a_second_look_changes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grant(str(folder), for_agent(GROUP))

    def never(*_: Any) -> None:
        pytest.fail("nothing was due")

    monkeypatch.setattr(os, "fchmod", never)
    monkeypatch.setattr(os, "fchown", never)
    grant(str(folder), for_agent(GROUP))


def test_links_lead_nowhere(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("x")
    for path in (secret / "key", secret):
        path.chmod(0o600 if path.is_file() else 0o700)
    (folder / "file").symlink_to(secret / "key")
    (folder / "folder").symlink_to(secret)
    os.mkfifo(folder / "pipe", 0o600)
    grant(str(folder), for_agent(GROUP))
    assert (mode(secret), mode(secret / "key"), mode(folder / "pipe")) == ("0700", "0600", "0600")
    (tmp_path / "family2").symlink_to(folder)
    with pytest.raises(OSError, match="family2"):
        grant(str(tmp_path / "family2"), for_agent(GROUP))


def test_a_file_with_another_name_stays_closed(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    secret.chmod(0o600)
    (folder / "second").hardlink_to(secret)
    grant(str(folder), for_agent(GROUP))
    assert mode(secret) == "0600"
    # The positive control: the same file, once it has one name.
    secret.unlink()
    grant(str(folder), for_agent(GROUP))
    assert mode(folder / "second") == "0660"


def _unlinked(folder: Path, _secret: Path) -> None:
    (folder / "CLAUDE.md").unlink()


def _linked_again(folder: Path, secret: Path) -> None:
    (folder / "CLAUDE.md").unlink()
    (folder / "CLAUDE.md").hardlink_to(secret)


def _replaced(folder: Path, _secret: Path) -> None:
    (folder / "CLAUDE.md").unlink()
    (folder / "CLAUDE.md").write_text("")


@pytest.mark.parametrize("move", [_unlinked, _linked_again, _replaced])
def test_a_name_that_changes_after_it_was_opened_gives_nothing_away(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    move: Callable[[Path, Path], None],
) -> None:
    # The agent puts a name of the secret in place of its file, and takes it away when it is open.
    secret = tmp_path / "secret"
    secret.write_text("x")
    secret.chmod(0o600)
    (folder / "CLAUDE.md").unlink()
    (folder / "CLAUDE.md").write_text("")
    (folder / "CLAUDE.md").chmod(0o600)
    really = os.open

    def open_(path: Any, flags: int, *more: Any, **options: Any) -> int:
        if path == "CLAUDE.md":
            (folder / "CLAUDE.md").unlink()
            (folder / "CLAUDE.md").hardlink_to(secret)
            descriptor = really(path, flags, *more, **options)
            move(folder, secret)
            return descriptor
        return really(path, flags, *more, **options)

    monkeypatch.setattr(os, "open", open_)
    grant(str(folder), for_agent(GROUP))
    assert mode(secret) == "0600"
    assert secret.stat().st_gid == os.getgid()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_what_is_the_agents_is_left_to_it(folder: Path) -> None:
    (folder / "own").mkdir()
    (folder / "own" / "file").write_text("")
    (folder / "own" / "host").write_text("")
    for path in (folder / "own", folder / "own" / "file"):
        os.chown(path, 4711, GROUP)
        path.chmod(0o700 if path.is_dir() else 0o600)
    grant(str(folder), for_agent(GROUP))
    assert (mode(folder / "own"), mode(folder / "own" / "file")) == ("0700", "0600")
    assert mode(folder / "own" / "host") == "0660"


def test_depth_and_number_have_an_end(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "DEPTH", 3)
    monkeypatch.setattr(access, "ENTRIES", 5)
    deep = folder / "a" / "b" / "c" / "d"
    deep.mkdir(parents=True)
    for path in (deep, *deep.parents[:3]):
        path.chmod(0o700)
    grant(str(folder), for_agent(GROUP))
    assert (mode(deep.parent), mode(deep)) != ("2770", "2770")


def test_a_folder_on_the_way_is_passed_and_not_read(tmp_path: Path) -> None:
    way = tmp_path / "way"
    way.mkdir(mode=0o700)
    passable(str(way), GROUP)
    assert (mode(way), way.stat().st_gid) == ("0710", GROUP)
    passable(str(way))
    assert mode(way) == "0711"
