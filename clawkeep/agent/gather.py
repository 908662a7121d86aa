"""Asks the guest once how its agent is."""

from __future__ import annotations

from clawkeep.agent.facts import Facts
from clawkeep.agent.guest import Inside, NotRunningError, inside
from clawkeep.agent.judge import Declared, rows
from clawkeep.agent.report import Report, Row
from clawkeep.model import Agent, Keep
from clawkeep.nanoclaw.channel import Channel
from clawkeep.render.agent_logs import LOGS_LABEL
from clawkeep.target import Target
from clawkeep.transport import TransportError
from clawkeep.verdict import Verdict

ROOT = "/opt/nanoclaw"
RUNTIME = "/usr/local/clawkeep/bin/docker"
PROBE = ("probe_processes", "probe_state", "probe")
LOOP_WAIT_S = 5
QUIET = frozenset({"warn", "error", "fatal"})
"""Values of LOG_LEVEL at which NanoClaw does not say that it is up."""

TIMEOUT_S = 60


def gather(keep: Keep, agent: Agent, target: Target) -> Report:
    """Return the status of the keep's agent; never raises for a machine that is not well."""
    name, profile = keep.guest.name, agent.release_profile.name
    try:
        with inside(keep, target) as guest:
            return look(guest, keep, agent)
    except NotRunningError as error:
        return Report(name, profile, error=str(error), unreached=Verdict.BAD)
    except (TransportError, OSError) as error:
        return Report(name, profile, error=str(error))


def look(guest: Inside, keep: Keep, agent: Agent, loop: Row | None = None) -> Report:
    """Return the status of the agent in a guest that is entered already; never raises, likewise.

    `loop` is what somebody else has seen of it a moment ago: NanoClaw looks for messages once a
    second only, so to try that again takes half a second.
    """
    profile, declared = agent.release_profile, declaration(agent)
    question = {
        "root": ROOT,
        "label": profile.label,
        "log_label": LOGS_LABEL,
        "runtime": RUNTIME,
        "users": list(agent.agent_users),
        "local": declared.local,
        "wait_s": 0 if loop else LOOP_WAIT_S,
    }
    try:
        facts = Facts(guest.ask(PROBE, question, TIMEOUT_S))
    except (TransportError, OSError) as error:
        return Report(keep.guest.name, profile.name, error=str(error))
    found = tuple(
        loop if loop and (row.name, row.verdict) == (loop.name, Verdict.UNKNOWN) else row
        for row in rows(facts, declared)
    )
    return Report(keep.guest.name, profile.name, found)


def declaration(agent: Agent) -> Declared:
    """Return what is declared of the agent, in the words of a release's record."""
    profile, level = agent.release_profile, str(agent.env.get("LOG_LEVEL", "info"))
    skills = (skill.model_dump(exclude_none=True) for skill in agent.skills)
    return Declared(
        profile.label,
        expected(agent),
        profile.local_channel == "socket",
        {"profile": profile.name, "repository": agent.source, "commit": agent.pin},
        tuple({name: str(value) for name, value in skill.items()} for skill in skills),
        level if level in QUIET else "",
    )


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
