"""Phase 2: NanoClaw lives in the guest, its agents as users of their own."""

from __future__ import annotations

from pyinfra.api.exceptions import PyinfraError

from clawkeep.model import Agent, Keep
from clawkeep.nanoclaw.env import Placement, place, validate
from clawkeep.render.agent_logs import log_agent
from roles.agent import accounts, checkout, granted, job, runtime, secrets, shares
from roles.bundle import bundle
from roles.probe import section


def prepare(keep: Keep) -> None:
    """Have the declared NanoClaw built and running in the guest; nothing when none is declared.

    What it leaves alone: a release is built beside the active one, and only a complete one becomes
    active; the job is started anew only when what it runs or reads has changed.
    """
    if keep.agent is None:
        return
    section("agent")
    agent, user = keep.agent, keep.guest.user
    settings = placement(agent)
    accounts.users(name="Guest | users of the agents", user=user, agents=agent.agent_users)
    bundle(name="Guest | what runs agents", entries=runtime.files(keep, agent))
    shares.fixed(name="Guest | shared folders are as declared", guest=keep.sharing_guest)
    checkout.built(name="Guest | NanoClaw is built", keep=keep, agent=agent)
    secrets.placed(
        name="Guest | secrets of NanoClaw",
        user=user,
        files=secrets.agent_files(settings),
        tried=secrets.credential(settings),
    )
    job.session_job(
        name="Guest | logs are kept clean",
        user=user,
        plist=log_agent(settings.process.get("TZ")),
        needs=runtime.log_program(agent),
    )
    granted.granted(name="Guest | skills of the agents", keep=keep, first=True)
    job.running(name="Guest | NanoClaw runs", keep=keep, agent=agent)


def placement(agent: Agent) -> Placement:
    """Return all settings by where they take effect, the secrets among them.

    Called in deploy code: what cannot be had, or cannot be written, ends the run before anything
    is changed. Raises PyinfraError, which never shows a value.
    """
    values = {**agent.env, **secrets.resolved(agent.references)}
    if problems := validate(values, agent.keys):
        words = "; ".join(f"{name} {message}".strip() for name, message in problems)
        raise PyinfraError(f"agent: {words}")
    return place(values, agent.keys)
