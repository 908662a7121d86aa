"""What goes wrong with a release says what it was, and the one before goes on answering."""

from __future__ import annotations

import pytest

from lab.services import discord
from tests.lab.agent_keep import SECRETS, AgentKeep
from tests.lab.keep import changed
from tests.nanoclaw.repository import Repository

pytestmark = [pytest.mark.lab, pytest.mark.slow]

NPMRC = "/Users/operator/.npmrc"
OPT = "/opt/homebrew/opt"


def fails_and_still_answers(agent: AgentKeep, *words: str) -> None:
    """Have the agent's phase fail with these words, the same process answering as before."""
    pid, release = agent.pid(), agent.active()
    said = agent.fails()
    for word in words:
        assert word in said
    assert (agent.pid(), agent.active()) == (pid, release)
    assert agent.answer("hello").startswith("You said: hello (turn ")


def test_npm_without_a_registry(agent: AgentKeep, stand_in: Repository) -> None:
    good = agent.values["commit"]
    agent.built.host(f"echo registry=https://registry.invalid/ > {NPMRC}")
    agent.declare(commit=stand_in.commits["next"])
    fails_and_still_answers(agent, "install: the registry https://registry.invalid/ is not")
    agent.built.host(f"rm {NPMRC}")
    agent.declare(commit=good)


def test_a_node_of_another_version(agent: AgentKeep) -> None:
    agent.guest(f"brew install node@24; mv {OPT}/node@22 {OPT}/kept; ln -s node@24 {OPT}/node@22")
    fails_and_still_answers(agent, f"node: {OPT}/node@22/bin/node is 24.", "expected 22")
    agent.guest(f"rm {OPT}/node@22; mv {OPT}/kept {OPT}/node@22")
    assert changed(agent.apply()) == []


@pytest.mark.parametrize(
    ("branch", "words"),
    [
        ("broken-build", "build: `npm run build` ended with"),
        ("broken-literal", "agent: "),
        ("v1.1", "which needs profile 'v1.1'; declared is 'v1.2'"),
    ],
)
def test_a_commit_that_cannot_be_built(
    agent: AgentKeep, stand_in: Repository, branch: str, words: str
) -> None:
    good = agent.values["commit"]
    agent.declare(commit=stand_in.commits[branch])
    fails_and_still_answers(agent, words)
    agent.declare(commit=good)


def test_a_channel_that_is_refused_and_then_one_that_connects(
    agent: AgentKeep, stand_in: Repository
) -> None:
    release = agent.active()
    agent.built.environment["DISCORD"] = "nobody's"
    skill = {"branch": "skill/discord", "commit": stand_in.commits["skill/discord"]}
    agent.declare(skills=[skill], secrets=SECRETS | {"DISCORD_BOT_TOKEN": "env:DISCORD"})
    said = agent.fails()
    assert "com.nanoclaw " in said
    assert "what ran before runs again" in said
    assert agent.active() == release
    assert agent.answer("hello").startswith("You said: hello (turn ")
    agent.built.environment["DISCORD"] = discord.TOKEN
    agent.apply()
    assert agent.active() != release
    assert agent.answer("hello").startswith("You said: hello (turn ")
    states = [visit["gateway"] for visit in agent.built.lab.visits() if "gateway" in visit]
    assert states[-1] == "ready"
