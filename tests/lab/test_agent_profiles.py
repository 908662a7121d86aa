"""The older NanoClaws answer, too: 1.1, and the fork of 1.0 that calls Apple's `container`."""

from __future__ import annotations

import re

import pytest

from clawkeep.nanoclaw.profile import PROFILES
from tests.lab.agent_keep import JOB, ROOT, AgentKeep
from tests.lab.keep import changed
from tests.nanoclaw.repository import Repository

pytestmark = [pytest.mark.lab, pytest.mark.slow]


@pytest.mark.parametrize(
    ("profile", "branch", "env"),
    [("v1.1", "v1.1", {}), ("v1.0", "fork", {"CHANNEL": "web", "WEB_WS_PORT": 3334})],
)
def test_an_older_nanoclaw_answers(
    agent: AgentKeep, stand_in: Repository, profile: str, branch: str, env: dict[str, object]
) -> None:
    # A database knows its channel's main group: each begins with none.
    agent.guest(f"launchctl bootout {JOB}; rm -rf {ROOT}/state/store")
    slug = PROFILES[profile].repository.removeprefix("https://github.com/").removesuffix(".git")
    stand_in.publish(agent.built.lab, slug)
    agent.declare(profile=profile, commit=stand_in.commits[branch], env=env)
    agent.apply()
    assert re.fullmatch(r"You said: hello \(turn \d+\)", agent.answer("hello"))
    assert agent.answer("!bash id -un") == "claw-agent"
    # Its credential is in its .env, and it hands it over on stdin.
    assert "sk-ant" in agent.guest(f"cat {ROOT}/state/.env")
    assert agent.guest(f"ls {ROOT}/state/credentials") == ""
    assert changed(agent.apply()) == []
