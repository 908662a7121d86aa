"""Phase 2: NanoClaw lives in the guest, its agents as users of their own."""

from __future__ import annotations

from clawkeep.model import Keep
from roles.agent import accounts, checkout, job, runtime, shares
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
    accounts.users(name="Guest | users of the agents", user=user, agents=agent.agent_users)
    bundle(name="Guest | what runs agents", entries=runtime.files(keep, agent))
    shares.fixed(name="Guest | shared folders are as declared", guest=keep.guest)
    checkout.built(name="Guest | NanoClaw is built", keep=keep, agent=agent)
    job.running(name="Guest | NanoClaw runs", keep=keep, agent=agent)
