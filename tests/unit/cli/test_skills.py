"""`clawkeep skills`: what it says before, and without, a guest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clawkeep import cli
from clawkeep.skills import registry
from clawkeep.target import Target

SKILLS = 'skills = {"say": {}, "whisper": {"model": "m", "sha256": "' + "a" * 64 + '"}}\n'
AGENT = """
egress = {"mode": "domains", "profiles": ["agent"]}
agent = {"secrets": {"ANTHROPIC_API_KEY": "env:KEY"},
         "group_skills": {"main": ["say"], "*": ["whisper"]}}
"""


@pytest.fixture
def unreachable(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # Port 1 of this machine: nobody answers there.
    monkeypatch.setattr(
        "clawkeep.cli.here.target", lambda: Target("mac", "127.0.0.1", 1, "me", None)
    )
    file = project / "group_data" / "all.py"
    file.write_text(file.read_text() + SKILLS)
    return project


def test_known_lists_every_skill(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["skills", "--known"]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert names == sorted(registry())


def test_a_host_that_does_not_answer_proves_nothing(
    unreachable: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["skills", "--json"]) == 2
    report = json.loads(capsys.readouterr().out)
    assert report["error"]
    assert [(row["name"], row["proof"], row["installed"]) for row in report["skills"]] == [
        ("say", "never", None),
        ("whisper", "never", None),
    ]


def test_a_skill_that_is_not_declared_cannot_be_probed(
    unreachable: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["skills", "--probe", "wisper"]) == 2
    assert "no skill 'wisper' is declared; did you mean 'whisper'?" in capsys.readouterr().err


def test_each_skill_names_the_groups_whose_agents_may_use_it(
    unreachable: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = unreachable / "group_data" / "all.py"
    file.write_text(file.read_text() + AGENT)
    assert cli.main(["skills", "--json"]) == 2
    rows = json.loads(capsys.readouterr().out)["skills"]
    assert {row["name"]: row["groups"] for row in rows} == {"say": ["main"], "whisper": ["*"]}
    assert cli.main(["skills"]) == 2
    assert "[agents of main]" in capsys.readouterr().out
