"""Declared skills: every mistake with its place, and the line that would help."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from clawkeep.config import ConfigError, load_keep
from clawkeep.model import Keep

OPEN = 'egress = {"mode": "domains", "profiles": ["github"]}\n'
HA = "services:\n  - {name: home-assistant, port: 18123, target: '10.0.30.5:8123', kind: http}\n"


def load(folder: Path, text: str, allowlist: str = "services: []\n") -> Keep:
    (folder / "all.py").write_text(text)
    (folder / "allowlist.yml").write_text(allowlist)
    values = runpy.run_path(str(folder / "all.py"))
    return load_keep(
        folder / "allowlist.yml",
        {},
        {},
        egress=values.get("egress"),
        skills=values.get("skills"),
        group_data=folder,
    )


def problem(folder: Path, text: str, allowlist: str = "services: []\n") -> str:
    with pytest.raises(ConfigError) as caught:
        load(folder, text, allowlist)
    return str(caught.value)


@pytest.mark.parametrize(
    ("lines", "place", "what"),
    [
        ('    "ghh": {},', "3:12", "skills: unknown key 'ghh'; did you mean 'gh'?"),
        ('    "gh": {"user": "bot"},', "3:11", "skills.gh.token: is missing"),
        ('    "gh": {"usr": "bot"},', "3:19", "skills.gh: unknown key 'usr'; did you mean 'user'?"),
        ('    "gh": True,', "3:11", "skills.gh: a mapping is expected here, not bool"),
        ('    "agent_clis": {"codex": "latest"},', "3:29", "'latest' pins nothing; write one"),
        ('    "agent_clis": {},', "3:19", "names no command line; give the version of one of"),
        ('    "whisper": {"model": "m", "sha256": "12"},', "3:41", "'12' is no SHA-256"),
    ],
)
def test_a_mistake_is_reported_with_its_place(
    tmp_path: Path, lines: str, place: str, what: str
) -> None:
    said = problem(tmp_path, f"{OPEN}skills = {{\n{lines}\n}}\n")
    assert f"all.py:{place}: " in said
    assert what in said


def test_a_token_that_stands_there_in_clear_is_not_repeated(tmp_path: Path) -> None:
    text = OPEN + 'skills = {"gh": {"user": "bot", "token": "ghp_sesame"}}\n'
    said = problem(tmp_path, text)
    assert "all.py:2:42: skills.gh.token: " in said
    assert "sesame" not in said


def test_closed_egress_names_the_setting_that_opens_it(tmp_path: Path) -> None:
    skills = 'skills = {"gh": {"user": "bot", "token": "sealed:gh"}}\n'
    said = problem(tmp_path, skills)
    assert "all.py:1:17: skills.gh: must reach api.github.com, and egress does not let it" in said
    assert 'egress = {"mode": "domains", "profiles": ["github"]} in group_data/all.py' in said
    said = problem(tmp_path, 'egress = {"mode": "domains", "profiles": ["agent"]}\n' + skills)
    assert 'add "github" to egress["profiles"]' in said
    assert load(tmp_path, OPEN + skills).skills.keys() == {"gh"}


def test_egress_without_a_profile_names_the_domain(tmp_path: Path) -> None:
    said = problem(tmp_path, OPEN + 'skills = {"edge_tts": {"version": "7.3.1"}}\n')
    assert 'add ["speech.platform.bing.com"] to egress["domains"]' in said


def test_a_missing_door_names_the_line_to_add_and_that_line_opens_it(tmp_path: Path) -> None:
    skills = 'skills = {"ha_api": {"token": "sealed:ha"}}\n'
    said = problem(tmp_path, skills)
    line = "- {name: home-assistant, port: 18123, target: 'homeassistant.lan:8123', kind: http}"
    assert "all.py:1:21: skills.ha_api: needs the door 'home-assistant'" in said
    assert said.endswith(line)
    assert load(tmp_path, skills, f"services:\n  {line}\n").skills.keys() == {"ha_api"}


def test_a_door_of_another_kind_is_said(tmp_path: Path) -> None:
    skills = 'skills = {"ha_api": {"token": "sealed:ha"}}\n'
    said = problem(tmp_path, skills, HA.replace("kind: http", "kind: ssh"))
    assert "needs 'home-assistant' to be a door of kind http, and it is ssh" in said


def test_skills_change_the_digest_and_none_do_not(tmp_path: Path) -> None:
    without = load(tmp_path, OPEN)
    assert load(tmp_path, OPEN + "skills = {}\n").digest == without.digest
    token = 'skills = {{"gh": {{"user": "{}", "token": "sealed:gh"}}}}\n'
    digests = {load(tmp_path, OPEN + token.format(user)).digest for user in ("a", "b")}
    assert len(digests | {without.digest}) == 3


HOST_DOOR = "- {name: whisper, port: 18178, target: '127.0.0.1:8178', kind: http}"
HOST_SKILL = f'skills = {{"host_whisper": {{"model": "m.bin", "sha256": "{"a" * 64}"}}}}\n'


def test_the_hosts_whisper_names_its_door_and_that_line_opens_it(tmp_path: Path) -> None:
    said = problem(tmp_path, HOST_SKILL)
    assert "skills.host_whisper: needs the door 'whisper'" in said
    assert said.endswith(HOST_DOOR)
    keep = load(tmp_path, HOST_SKILL, f"services:\n  {HOST_DOOR}\n")
    assert str(keep.services[0].target) == "127.0.0.1:8178"


def test_a_door_to_the_host_with_nobody_behind_it_is_refused(tmp_path: Path) -> None:
    doors = f"services:\n  {HOST_DOOR}\n"
    said = problem(tmp_path, "skills = {}\n", doors)
    assert "the door 'whisper' leads to 127.0.0.1:8178 on the host itself, and no skill" in said
    assert '"service": "whisper"' in said
    # Nor one more beside the skill's own.
    another = HOST_DOOR.replace("whisper", "second").replace("18178", "18179")
    said = problem(tmp_path, HOST_SKILL, f"{doors}  {another}\n")
    assert "the door 'second' leads to" in said


def test_the_hosts_whisper_is_nowhere_else(tmp_path: Path) -> None:
    elsewhere = HOST_DOOR.replace("127.0.0.1:8178", "10.0.30.5:8178")
    said = problem(tmp_path, HOST_SKILL, f"services:\n  {elsewhere}\n")
    assert "needs the door 'whisper' to lead to 127.0.0.1:8178" in said


@pytest.mark.parametrize("target", ["127.0.0.1:22", "127.0.0.2:8178", "localhost:8178"])
def test_no_other_target_on_the_host_is_a_target(tmp_path: Path, target: str) -> None:
    door = HOST_DOOR.replace("127.0.0.1:8178", target)
    assert "allowlist.yml:2:" in problem(tmp_path, HOST_SKILL, f"services:\n  {door}\n")
