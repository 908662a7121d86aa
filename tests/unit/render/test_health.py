"""What the host's watcher is told of a declaration: the agent, its channels, and no secret."""

from __future__ import annotations

import plistlib

from clawkeep.health.plan import Plan, parse
from clawkeep.model import Agent, Guest, Keep
from clawkeep.render.health import DAEMON, plan_of


def test_a_keep_without_an_agent_is_watched_up_to_its_guest() -> None:
    assert plan_of(Keep(services=())) == Plan()


def test_the_agent_s_job_users_and_channels_are_watched() -> None:
    agent = Agent(secrets={"ANTHROPIC_API_KEY": "env:KEY"})
    guest = Guest(packages=("node@22",))
    plan = plan_of(Keep(services=(), guest=guest, agent=agent))
    assert plan.agent is not None
    assert (plan.agent.label, plan.agent.local) == ("com.nanoclaw", True)
    assert plan.agent.users == agent.agent_users
    assert plan.agent.users
    assert "env:KEY" not in plan.text()
    assert parse(plan.text()) == plan


def test_the_job_is_root_s_and_always_comes_back() -> None:
    job = plistlib.loads(DAEMON)
    assert job["ProgramArguments"] == ["/opt/clawkeep/bin/clawkeep", "health", "run"]
    assert job["KeepAlive"] is True
    assert "UserName" not in job
