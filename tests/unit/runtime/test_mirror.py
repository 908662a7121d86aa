"""A group's skills: what is allowed is there, what no longer is goes, what the agent made stays.

The tests do to the folder what an agent could: it is the agent's to change, at any moment.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from roles.agent.guest.runtime.granted import Given, Grants
from roles.agent.guest.runtime.mirror import Done, Tree, mirror, wanted
from roles.agent.guest.runtime.settings import Limits, Settings

GROUP = ("family", os.getgid())
GH: Tree = {"SKILL.md": b"gh", "more/api.md": b"api"}


class World:
    """A state, a group's .claude and a file that an agent must never have written."""

    def __init__(self, folder: Path) -> None:
        self.state, self.claude = folder / "state", folder / "claude"
        self.state.mkdir()
        self.claude.mkdir()
        self.skills = self.claude / "skills"
        self.precious = folder / "precious"
        self.precious.mkdir()
        (self.precious / "SKILL.md").write_text("not the agent's")
        self.settings = Settings(
            str(folder), "/bin/true", "claw", ("claw-agent",), Limits(None, None, None, None),
            frozenset(), inject=False, enabled=True, denied=frozenset(), sandbox=True,
        )  # fmt: skip

    def mirror(self, **trees: Tree) -> Done:
        return mirror(self.settings, str(self.claude), GROUP, trees)

    def files(self) -> dict[str, bytes]:
        return {
            path.relative_to(self.skills).as_posix(): path.read_bytes()
            for path in self.skills.rglob("*")
            if path.is_file() and not path.relative_to(self.skills).parts[0].startswith(".")
        }

    def untouched(self) -> bool:
        return [p.name for p in self.precious.iterdir()] == ["SKILL.md"] and (
            self.precious / "SKILL.md"
        ).read_text() == "not the agent's"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_what_is_allowed_is_placed_for_the_agents_group(world: World) -> None:
    assert world.mirror(gh=GH) == Done(["gh"], [], [])
    assert world.files() == {"gh/SKILL.md": b"gh", "gh/more/api.md": b"api"}
    assert (world.skills / "gh" / "SKILL.md").stat().st_mode & 0o777 == 0o660
    before = (world.skills / "gh" / "SKILL.md").stat().st_ino
    assert world.mirror(gh=GH) == Done([], [], [])
    assert (world.skills / "gh" / "SKILL.md").stat().st_ino == before
    note = world.state / "skills" / "family.json"
    assert json.loads(note.read_text()) == {"gh": ["SKILL.md", "more/api.md"]}
    assert note.parent.stat().st_mode & 0o777 == 0o700


def test_what_is_no_longer_allowed_goes_and_the_agents_own_stays(world: World) -> None:
    world.mirror(gh=GH, say={"SKILL.md": b"say"})
    (world.skills / "mine").mkdir()
    (world.skills / "mine" / "SKILL.md").write_text("mine")
    (world.skills / "gh" / "notes.md").write_text("what I learned")
    assert world.mirror() == Done([], ["gh", "say"], [])
    assert world.files() == {"mine/SKILL.md": b"mine", "gh/notes.md": b"what I learned"}
    assert not (world.skills / "say").exists()
    assert world.mirror() == Done([], [], [])


def test_a_file_that_a_newer_guide_lacks_goes(world: World) -> None:
    world.mirror(gh=GH)
    world.mirror(gh={"SKILL.md": b"newer"})
    assert world.files() == {"gh/SKILL.md": b"newer"}


def test_a_folder_that_became_a_link_is_not_followed(world: World) -> None:
    world.mirror(gh=GH)
    (world.skills / "gh").rename(world.skills / "away")
    (world.skills / "gh").symlink_to(world.precious)
    done = world.mirror(gh=GH)
    assert done.aside == ["gh"]
    assert world.untouched()
    assert (world.skills / "gh" / "SKILL.md").read_bytes() == b"gh"
    (world.skills / "gh").rename(world.skills / "again")
    (world.skills / "gh").symlink_to(world.precious)
    world.mirror()
    assert world.untouched()


def test_a_file_that_became_a_link_is_replaced_and_removed_not_written_through(
    world: World,
) -> None:
    guide = world.skills / "gh" / "SKILL.md"
    for withdrawn in (False, True):
        world.mirror(gh=GH)
        guide.unlink()
        guide.symlink_to(world.precious / "SKILL.md")
        if withdrawn:
            world.mirror()
            assert not guide.is_symlink()
        else:
            world.mirror(gh=GH)
            assert (guide.is_symlink(), guide.read_bytes()) == (False, b"gh")
        assert world.untouched()


def test_another_name_of_a_file_is_replaced_not_written_through(world: World) -> None:
    world.mirror(gh=GH)
    guide = world.skills / "gh" / "SKILL.md"
    guide.unlink()
    os.link(world.precious / "SKILL.md", guide)
    world.mirror(gh=GH)
    assert guide.read_bytes() == b"gh"
    assert world.untouched()


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_stands_where_a_guide_must_be_makes_room(world: World, kind: str) -> None:
    world.mirror(gh=GH)
    guide = world.skills / "gh" / "SKILL.md"
    guide.unlink()
    if kind == "folder":
        guide.mkdir()
        (guide / "kept").write_text("mine")
    else:
        os.mkfifo(guide)
    done = world.mirror(gh=GH)
    assert guide.read_bytes() == b"gh"
    assert done.aside == (["SKILL.md"] if kind == "folder" else [])


def test_the_skills_folder_itself_is_not_followed(world: World) -> None:
    world.skills.symlink_to(world.precious)
    with pytest.raises(NotADirectoryError):
        world.mirror(gh=GH)
    assert world.untouched()


def test_a_run_that_was_killed_leaves_nothing_unknown(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("roles.agent.guest.runtime.mirror._holds", killed)
        with pytest.raises(KeyboardInterrupt):
            world.mirror(gh=GH)
    (world.skills / "gh" / "SKILL.md").write_text("placed, and then killed")
    world.mirror()
    assert world.files() == {}


def test_the_releases_skills_and_the_operators_over_them(tmp_path: Path) -> None:
    for name in ("status", "browser", "say"):
        (tmp_path / "container" / "skills" / name).mkdir(parents=True)
        (tmp_path / "container" / "skills" / name / "SKILL.md").write_text(f"release's {name}")
    (tmp_path / "container" / "skills" / "browser" / "link").symlink_to("/etc/passwd")
    say = Given("say", {"SKILL.md": "operator's say"}, (), {})
    all_of_them = wanted(Grants({}, None, {"say": say}), ("say",), str(tmp_path))
    assert {name: tree["SKILL.md"] for name, tree in all_of_them.items()} == {
        "status": b"release's status", "browser": b"release's browser", "say": b"operator's say"
    }  # fmt: skip
    assert all_of_them["browser"].keys() == {"SKILL.md"}
    assert wanted(Grants({}, ("status",), {}), (), str(tmp_path)).keys() == {"status"}
    assert wanted(Grants({}, None, {}), (), str(tmp_path / "none")) == {}
