"""Asks the guest once how its agent is."""

from __future__ import annotations

from clawkeep.agent.facts import Facts
from clawkeep.agent.guest import NotRunningError, inside
from clawkeep.agent.judge import Declared, rows
from clawkeep.agent.report import Report
from clawkeep.model import Agent, Keep
from clawkeep.nanoclaw.profile import Channel
from clawkeep.render.agent_logs import LOGS_LABEL
from clawkeep.status.report import Verdict
from clawkeep.target import Target
from clawkeep.transport import TransportError

ROOT = "/opt/nanoclaw"
RUNTIME = "/usr/local/clawkeep/bin/docker"
LOOP_WAIT_S = 5
TIMEOUT_S = 60


def gather(keep: Keep, agent: Agent, target: Target) -> Report:
    """Return the status of the keep's agent; never raises for a machine that is not well."""
    profile = agent.release_profile
    declared = Declared(profile.label, expected(agent), profile.local_channel == "socket")
    question = {
        "root": ROOT,
        "label": profile.label,
        "log_label": LOGS_LABEL,
        "runtime": RUNTIME,
        "users": list(agent.agent_users),
        "local": declared.local,
        "wait_s": LOOP_WAIT_S,
    }
    try:
        with inside(keep, target) as guest:
            facts = Facts(guest.ask("probe.py", question, TIMEOUT_S))
    except NotRunningError as error:
        return Report(keep.guest.name, profile.name, error=str(error), unreached=Verdict.BAD)
    except (TransportError, OSError) as error:
        return Report(keep.guest.name, profile.name, error=str(error))
    return Report(keep.guest.name, profile.name, tuple(rows(facts, declared)))


def expected(agent: Agent) -> tuple[Channel, ...]:
    """Return the channels that the declaration sets up: by a skill, a key of theirs, or CHANNEL."""
    named = {*agent.env, *agent.secrets}
    skills = " ".join(skill.name for skill in agent.skills)
    chosen = str(agent.env.get("CHANNEL", ""))
    return tuple(
        channel
        for channel in agent.release_profile.channels
        if channel.name != "local"
        and (
            channel.name in skills
            or channel.name == chosen
            or any(key.name in named for key in channel.keys)
        )
    )
