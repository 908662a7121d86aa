"""A message to NanoClaw is answered by an agent in the guest, whatever ends in between."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.lab.agent_keep import ROOT, AgentKeep
from tests.lab.guarding import wait
from tests.lab.keep import changed

pytestmark = pytest.mark.lab


def turn(answer: str, said: str) -> int:
    """Return which turn of its conversation an answer says to be."""
    found = re.fullmatch(rf"You said: {said} \(turn (\d+)\)", answer)
    assert found, answer
    return int(found.group(1))


def one_of_each(agent: AgentKeep) -> bool:
    """Tell whether one NanoClaw runs, and at most one agent with its two supervisors."""
    found = agent.processes()
    counts = tuple(len(found[kind]) for kind in ("host", "supervisor", "agent"))
    runs = agent.guest(f"ls {ROOT}/runs").split()
    return counts in {(1, 0, 0), (1, 2, 1)} and len(runs) == counts[2]


def answers_again(agent: AgentKeep, before: int) -> int:
    """Have it answer, in the conversation from before, with nothing left over; return the turn."""
    said: list[str] = []

    def answered() -> bool:
        done = agent.say("still there?")
        said.append(done.stdout.strip())
        return done.returncode == 0

    wait("an answer", answered, 100)
    now = turn(said[-1], r"still there\?")
    assert now > before
    wait("one of each", lambda: one_of_each(agent), 10)
    return now


def test_hello_is_answered(agent: AgentKeep) -> None:
    assert turn(agent.answer("hello"), "hello") == 1
    assert turn(agent.answer("hello"), "hello") == 2
    assert one_of_each(agent)


def test_it_is_an_agents_user_in_the_guest_that_answers(agent: AgentKeep) -> None:
    said = agent.answer("!bash id -un; id -Gn; hostname; pwd")
    assert said.splitlines() == [
        "claw-agent", "claw-agent", agent.guest("hostname"), f"{ROOT}/state/groups/main"
    ]  # fmt: skip


def test_what_asked_the_model_was_an_agent_with_its_key(agent: AgentKeep) -> None:
    agent.answer("who are you?")
    visits = [visit for visit in agent.built.lab.visits() if "credential" in visit]
    assert {visit["credential"] for visit in visits} == {"valid"}


@pytest.mark.parametrize(
    "kind",
    ["agent", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("host", "supervisor"))],
)
def test_a_process_that_is_killed_is_replaced(agent: AgentKeep, kind: str) -> None:
    before = turn(agent.answer("hello"), "hello")
    found = agent.processes()
    agent.guest(f"kill -9 {found[kind][0]}")
    answers_again(agent, before)
    assert found[kind][0] not in agent.processes()[kind]


@pytest.mark.slow
def test_all_of_it_killed_at_once_comes_back(agent: AgentKeep) -> None:
    before = turn(agent.answer("hello"), "hello")
    agent.guest(f"kill -9 {' '.join(pid for pids in agent.processes().values() for pid in pids)}")
    answers_again(agent, before)


def guest_reboots(agent: AgentKeep) -> None:
    agent.built.guest("shutdown -r now")


def host_reboots(agent: AgentKeep) -> None:
    agent.built.lab.reboot()


def host_loses_power(agent: AgentKeep) -> None:
    agent.built.lab.reboot(power_cut=True)


@pytest.mark.slow
@pytest.mark.parametrize("happens", [guest_reboots, host_reboots, host_loses_power])
def test_a_reboot_changes_nothing(agent: AgentKeep, happens: Callable[[AgentKeep], None]) -> None:
    before, release = turn(agent.answer("hello"), "hello"), agent.active()
    happens(agent)
    answers_again(agent, before)
    assert agent.active() == release


@pytest.mark.slow
def test_a_credential_that_the_model_does_not_take_is_not_placed(agent: AgentKeep) -> None:
    before, pid = turn(agent.answer("hello"), "hello"), agent.pid()
    right = agent.built.environment["CLAUDE_KEY"]
    agent.built.environment["CLAUDE_KEY"] = "sk-ant-of-somebody-else"
    try:
        said = agent.fails()
    finally:
        agent.built.environment["CLAUDE_KEY"] = right
    assert "the model does not take ANTHROPIC_API_KEY: 'invalid x-api-key'" in said
    assert "sk-ant-of-somebody-else" not in said
    assert agent.pid() == pid
    assert turn(agent.answer("hello"), "hello") == before + 1


def test_a_channel_without_its_token_is_refused_before_anything_runs(agent: AgentKeep) -> None:
    calls = len(agent.built.lab.calls())
    agent.declare(skills=[{"branch": "skill/discord", "commit": "1" * 40}])
    try:
        said = agent.fails()
    finally:
        agent.declare(skills=[])
    assert re.search(r"all\.py:\d+:\d+: agent\.secrets\.DISCORD_BOT_TOKEN: is missing", said)
    assert agent.built.mutations(calls) == []


def test_nothing_has_changed_after_all_this(agent: AgentKeep) -> None:
    before = len(agent.built.lab.calls())
    said = agent.built.converge()
    assert changed(said) == []
    assert agent.built.mutations(before) == []
