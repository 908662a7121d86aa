"""What agents may use: declared grants, guides of skills, and the operator's own folders."""

from __future__ import annotations

import json
import os
import re
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clawkeep.config import ConfigError, load_keep
from clawkeep.explain.skills import sentences
from clawkeep.model import Keep
from clawkeep.skills import registry
from clawkeep.skills.agents import HOME_PATH, folder_of, guide
from clawkeep.skills.granted import configuration, given, groups_of, serves
from clawkeep.skills.own import FILE_BYTES, NAME, read
from clawkeep.skills.wanted import wanted

DOORS = """services:
  - {name: home-assistant, port: 18123, target: '10.0.30.5:8123', kind: http}
  - {name: kubernetes, port: 16443, target: '10.0.30.5:6443', kind: tls}
  - {name: truenas-ssh, port: 18022, target: '10.0.30.5:22', kind: ssh}
  - {name: imap, port: 18993, target: '10.0.30.5:993', kind: tls}
"""
ALL = """egress = {"mode": "domains", "profiles": ["agent", "github"],
          "domains": ["speech.platform.bing.com"]}
skills = {"gh": {"user": "bot", "token": "sealed:gh"}, "ha_api": {"token": "sealed:ha"},
  "kubectl": {"token": "sealed:k"}, "truenas": {"user": "bot", "key": "sealed:t"},
  "himalaya": {"email": "a@b", "password": "sealed:m"}, "edge_tts": {"version": "7.3.1"},
  "whisper": {"model": "m", "sha256": "%s"}, "agent_clis": {"codex": "1.2.3"},
  "say": {}, "calendar": {}, "reminders": {}}
""" % ("a" * 64)
SECRETS = '"secrets": {"ANTHROPIC_API_KEY": "env:KEY"}'
RULES = "---\nname: rules\ndescription: Rules of the house.\n---\nBe kind.\n"


def load(folder: Path, agent: str = "", text: str = ALL) -> Keep:
    (folder / "group_data").mkdir(exist_ok=True)
    file = folder / "group_data" / "all.py"
    file.write_text(f"{text}agent = {{{SECRETS},\n{agent}}}\n")
    (folder / "allowlist.yml").write_text(DOORS)
    values = runpy.run_path(str(file))
    return load_keep(
        folder / "allowlist.yml", {}, {"packages": ["node@22"]}, egress=values["egress"],
        agent=values["agent"], skills=values["skills"], group_data=folder / "group_data",
    )  # fmt: skip


def problem(folder: Path, agent: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(folder, agent)
    return str(caught.value)


def own(folder: Path, name: str = "rules", text: str = RULES) -> Path:
    made = folder / "skills" / name
    made.mkdir(parents=True)
    (made / "SKILL.md").write_text(text)
    return made


def told(keep: Keep) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(configuration(keep))
    return found


def test_by_default_the_main_group_may_use_all_that_agents_can(tmp_path: Path) -> None:
    own(tmp_path)
    keep = load(tmp_path)
    usable = sorted(set(keep.skills) - {"agent_clis"})
    assert told(keep)["groups"] == {"main": [*usable, "rules"]}
    assert groups_of(keep, "gh") == ("main",)
    assert groups_of(keep, "agent_clis") == ()
    assert serves(keep)


def test_a_declaration_grants_exactly_what_it_says(tmp_path: Path) -> None:
    own(tmp_path)
    keep = load(tmp_path, '"group_skills": {"main": ["gh"], "*": ["whisper", "rules"]}')
    data = told(keep)
    assert data["groups"] == {"main": ["gh"], "*": ["whisper", "rules"]}
    assert sorted(data["skills"]) == ["gh", "rules", "whisper"]
    assert data["skills"]["rules"]["texts"] == {"SKILL.md": RULES}
    assert not serves(keep)
    assert told(load(tmp_path, '"group_skills": {}'))["groups"] == {}


def test_no_secret_is_in_what_the_runtime_is_told(tmp_path: Path) -> None:
    text = configuration(load(tmp_path)).decode()
    assert "hosts.yml" in text
    assert "sealed:" not in text


@pytest.mark.parametrize(
    ("grant", "place", "what"),
    [
        ('"main": ["gh", "ghh"]', "33", "main[1]: there is no skill 'ghh'; did you mean 'gh'?"),
        ('"main": ["agent_clis"]', "27", "no agent can use the skill 'agent_clis'"),
        ('"*": ["nothing-like-it"]', "24", "there is no skill 'nothing-like-it'; agents can use"),
        ('"m/n": ["gh"]', "17", "'m/n' is no folder of a group"),
        ('"main": ["gh", "gh"]', "26", "names a skill twice"),
        ('"main": "gh"', "26", "a list is expected here"),
        ('"work": ["gh"]}, "groups_denied": ["work"], "limits": {', "26", "no agent starts for it"),
    ],
)
def test_a_grant_of_nothing_is_an_error_with_its_place(
    tmp_path: Path, grant: str, place: str, what: str
) -> None:
    said = problem(tmp_path, f'"group_skills": {{{grant}}}')
    assert re.search(rf"all\.py:9:{place}: agent\.group_skills", said), said
    assert what in said


def test_a_skill_that_is_known_and_not_wanted_is_said(tmp_path: Path) -> None:
    text = ALL.replace('"say": {}, ', "")
    with pytest.raises(ConfigError, match="the skill 'say' is not wanted; add it to `skills`"):
        load(tmp_path, '"group_skills": {"main": ["say"]}', text)


def test_every_guide_is_one_as_the_operators_must_be(tmp_path: Path) -> None:
    keep = load(tmp_path)
    assert given(keep).keys() == keep.skills.keys() - {"agent_clis"}
    for name, what in given(keep).items():
        made = own(tmp_path / name, folder_of(name), guide(name, what))
        assert NAME.fullmatch(made.name)
        assert read(made.parent)[1] == []
        assert (made / "SKILL.md").read_text().splitlines()[3].startswith("allowed-tools: Bash(")


def test_files_for_agents_are_files_of_the_skill_or_of_its_doors(tmp_path: Path) -> None:
    keep = load(tmp_path)
    rendered = (".kube/clawkeep-", ".ssh/config.d/clawkeep", ".ssh/known_hosts_clawkeep",
                ".config/clawkeep/")  # fmt: skip
    for one in wanted(keep):
        for file in one.wants.agents.files if one.wants.agents else ():
            assert HOME_PATH.fullmatch(file.path)
            assert file.path in one.paths or file.path.startswith(rendered)


def test_a_skill_gives_files_or_verbs_never_both(tmp_path: Path) -> None:
    for name, what in given(load(tmp_path)).items():
        assert not (what.files and what.verbs), name
    assert set(registry()) >= set(given(load(tmp_path)))


SPOILED: dict[str, tuple[Callable[[Path], object], str]] = {
    "no front matter": (lambda d: (d / "SKILL.md").write_text("Be kind."), "front matter"),
    "another name": (
        lambda d: (d / "SKILL.md").write_text(RULES.replace("name: rules", "name: rule")),
        "SKILL.md:2:1: name is 'rule', and its folder 'rules'",
    ),
    "no description": (
        lambda d: (d / "SKILL.md").write_text("---\nname: rules\n---\n"), "description is missing"
    ),
    "no YAML": (lambda d: (d / "SKILL.md").write_text("---\nname: [\n---\n"), "front matter: "),
    "no guide": (lambda d: (d / "SKILL.md").rename(d / "README.md"), "has no SKILL.md"),
    "a link": (lambda d: (d / "x.md").symlink_to("/etc/passwd"), "x.md: is a link"),
    "too large": (
        lambda d: (d / "x.md").write_text("x" * (FILE_BYTES + 1)), "is larger than 65536 bytes"
    ),
    "no text": (lambda d: (d / "x.bin").write_bytes(b"\xff\xfe"), "is no UTF-8 text"),
    "one file to a Mac": (
        lambda d: [(d / n).write_text("x") for n in ("A.md", "a.md")], "differ by case alone"
    ),
    "a bad name": (lambda d: d.rename(d.parent / "My Rules"), "is no name of a skill"),
    "ours": (lambda d: d.rename(d.parent / "gh"), "is the guide of a wanted skill"),
    "a linked folder": (
        lambda d: os.symlink(d.rename(d.parent.parent / "away"), d),
        "no link",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SPOILED)
def test_an_own_skill_that_is_not_right_is_an_error_with_its_place(
    tmp_path: Path, case: str
) -> None:
    spoil, what = SPOILED[case]
    made = own(tmp_path)
    assert load(tmp_path).own_skills == {"rules": {"SKILL.md": RULES}}
    spoil(made)
    said = problem(tmp_path, "")
    assert str(tmp_path / "skills") in said
    assert what in said


def test_an_own_skill_is_part_of_the_digest(tmp_path: Path) -> None:
    without = load(tmp_path).digest
    made = own(tmp_path)
    first = load(tmp_path).digest
    (made / "more.md").write_text("more")
    assert len({without, first, load(tmp_path).digest}) == 3


def said_of(keep: Keep) -> str:
    return "\n".join(sentences(keep))


def test_the_contract_says_whose_tokens_an_agent_can_read(tmp_path: Path) -> None:
    own(tmp_path)
    said = said_of(load(tmp_path, '"group_skills": {"main": ["gh", "say"], "*": ["rules"]}'))
    assert "The main group's agent may use `gh` and `say`, from its next run on." in said
    assert "Every group's agent may use `rules`" in said
    assert "has the files of `gh` in its home: it can read the token" in said
    assert "Of `say` (`speak`) it can have done only these things, by `claw`" in said
    assert "No agent may use `agent_clis`, `calendar`, " in said
    none = said_of(load(tmp_path, '"group_skills": {}'))
    assert none == "No agent may use any of the guest's skills."
    only = said_of(load(tmp_path, '"group_skills": {"main": ["whisper"]}'))
    assert "can read the token" not in only
