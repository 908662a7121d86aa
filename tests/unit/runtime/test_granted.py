"""Who may use what, and the files that a run is handed: read from root's list alone."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from clawkeep.skills.granted import CONFIGURATION
from roles.agent.guest.runtime import granted, handover
from roles.agent.guest.runtime.settings import Refused

SKILL = {"folder": "gh", "texts": {"SKILL.md": "how"}, "files": [], "verbs": {}}
LIST = {
    "groups": {"main": ["gh"], "family": ["say"], "*": ["rules"]},
    "release": None,
    "skills": {name: {**SKILL, "folder": name} for name in ("gh", "say", "rules")},
}


def load(folder: Path, value: Any = LIST, mode: int = 0o644) -> granted.Grants:
    path = folder / "skills.json"
    path.write_text(json.dumps(value))
    path.chmod(mode)
    return granted.load(str(path), os.getuid())


def test_main_is_a_role_and_the_star_is_everybody(tmp_path: Path) -> None:
    grants = load(tmp_path)
    assert grants.of("main", main=True) == ("gh", "rules")
    assert grants.of("whatsapp_main", main=True) == ("gh", "rules")
    assert grants.of("main", main=False) == ("rules",)
    assert grants.of("family", main=False) == ("rules", "say")
    assert grants.of("work", main=False) == ("rules",)


def test_a_skill_that_is_granted_and_not_described_is_none(tmp_path: Path) -> None:
    assert load(tmp_path, LIST | {"skills": {}}).of("family", main=False) == ()


def test_it_is_read_where_it_is_written() -> None:
    assert granted.PATH == CONFIGURATION


def test_no_list_grants_nothing(tmp_path: Path) -> None:
    assert granted.load(str(tmp_path / "none")).of("main", main=True) == ()


def test_a_list_that_others_could_write_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="must be root's alone to write"):
        load(tmp_path, mode=0o664)
    with pytest.raises(Refused, match="must be root's alone to write"):
        granted.load(str(tmp_path / "skills.json"), os.getuid() + 1)


@pytest.mark.parametrize("path", ["../x", "/etc/x", ".hidden", "a//b", ""])
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, path: str) -> None:
    for skill in ({**SKILL, "folder": path}, {**SKILL, "texts": {path: "x"}}):
        with pytest.raises(Refused, match="is no plain path"):
            load(tmp_path, LIST | {"skills": {"gh": skill}})


class Home:
    """The service user's home, a run's folder, and what is handed over."""

    def __init__(self, folder: Path) -> None:
        self.home, self.run = folder / "home", folder / "run"
        self.target = self.run / "home"
        (self.home / ".config" / "gh").mkdir(parents=True)
        self.target.mkdir(parents=True)
        self.hosts = self.home / ".config" / "gh" / "hosts.yml"
        self.hosts.write_text(f"token at {self.home}/x")
        self.hosts.chmod(0o600)

    def stage(self, *paths: str, **more: Any) -> list[str]:
        files = [{"path": p, "rehomed": False, "optional": False, **more} for p in paths]
        return handover.stage(str(self.home), files, str(self.run), "/runs/one/home", os.getgid())

    def taken(self) -> dict[str, str]:
        handover.take(str(self.run), str(self.target))
        return {
            path.relative_to(self.target).as_posix(): path.read_text()
            for path in self.target.rglob("*")
            if path.is_file()
        }


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_a_file_arrives_private(home: Home) -> None:
    assert home.stage(".config/gh/hosts.yml") == []
    staged = home.run / "given" / ".config" / "gh" / "hosts.yml"
    assert staged.stat().st_mode & 0o777 == 0o640
    assert home.taken() == {".config/gh/hosts.yml": f"token at {home.home}/x"}
    copy = home.target / ".config" / "gh" / "hosts.yml"
    assert copy.stat().st_mode & 0o777 == 0o600
    assert copy.parent.stat().st_mode & 0o777 == 0o700


def test_a_file_that_names_the_home_names_the_runs(home: Home) -> None:
    home.stage(".config/gh/hosts.yml", rehomed=True)
    assert home.taken() == {".config/gh/hosts.yml": "token at /runs/one/home/x"}


def test_what_is_absent_is_said_unless_it_may_be(home: Home) -> None:
    assert home.stage(".config/none") == [
        "~/.config/none: there is none; apply the keep's `skills` phase"
    ]
    assert home.stage(".config/none", optional=True) == []
    assert home.taken() == {}


def linked_file(home: Home) -> None:
    home.hosts.rename(home.home / "elsewhere")
    home.hosts.symlink_to(home.home / "elsewhere")


def linked_folder(home: Home) -> None:
    (home.home / ".config").rename(home.home / "elsewhere")
    (home.home / ".config").symlink_to(home.home / "elsewhere")


def second_name(home: Home) -> None:
    os.link(home.hosts, home.home / "other")


def too_large(home: Home) -> None:
    home.hosts.write_bytes(b"x" * (handover.FILE_BYTES + 1))


def writable(home: Home) -> None:
    home.hosts.chmod(0o662)


def pipe(home: Home) -> None:
    home.hosts.unlink()
    os.mkfifo(home.hosts)


@pytest.mark.parametrize(
    "spoil", [linked_file, linked_folder, second_name, too_large, writable, pipe]
)
def test_what_is_no_plain_file_of_its_users_is_not_handed_over(home: Home, spoil: Any) -> None:
    spoil(home)
    (why,) = home.stage(".config/gh/hosts.yml")
    assert why.startswith("~/.config/gh/hosts.yml: ")
    assert home.taken() == {}


@pytest.mark.parametrize("path", ["../x", ".claude/settings.json", "a//b", "/etc/passwd"])
def test_a_path_out_of_the_home_is_refused(home: Home, path: str) -> None:
    assert home.stage(path) == [f"~/{path}: is no file of a skill"]
