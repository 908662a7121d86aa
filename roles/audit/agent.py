"""What the agent must have in the guest: users, programs, settings, jobs, its release."""

from __future__ import annotations

import plistlib
from collections.abc import Iterator

from clawkeep.audit.check import Check, Machine
from clawkeep.audit.scene import Scene
from clawkeep.model import Agent, Keep
from clawkeep.nanoclaw.env import Placement, place
from clawkeep.render.agent_logs import log_agent
from clawkeep.render.agent_tools import PROGRAM, tools_agent
from clawkeep.secrets import Secret
from clawkeep.skills.granted import CONFIGURATION, configuration, serves
from roles.agent import checkout, granted, job, program, runtime, secrets
from roles.audit import entries
from roles.audit.host import nobody_special
from roles.bundle import File

GUEST = Machine.GUEST


def placement(agent: Agent) -> Placement:
    """Return where each setting goes; for secrets stands a value that is none of them."""
    unknown = {name: Secret("?") for name in agent.references}
    return place({**agent.env, **unknown}, agent.keys)


def checks(keep: Keep, scene: Scene) -> Iterator[Check]:  # noqa: ARG001 - as its neighbours
    """Yield the checks of the agent; of a keep without one, that there is no job of its."""
    jobs = _jobs(keep)
    labels = [plistlib.loads(plist)["Label"] for plist in jobs]
    if keep.agent:
        labels.append(keep.agent.release_profile.label)
    user = keep.guest.user
    yield Check(
        GUEST, "jobs", "com.nanoclaw.*", "no job of this name beyond those declared",
        {"prefix": "com.nanoclaw", "labels": labels, "list": "launchctl list",
         "folders": ["/Library/LaunchDaemons", "/Library/LaunchAgents",
                     f"/Users/{user}/Library/LaunchAgents"]},
    )  # fmt: skip
    if keep.agent is None:
        return
    yield from _files(keep, keep.agent, jobs)
    for one in keep.agent.agent_users:
        yield nobody_special(GUEST, one, one)
        yield Check(
            GUEST, "group", one, f"{one} and {user}, nobody else",
            {"group": one, "members": [one, user]},
        )  # fmt: skip
    for plist in jobs:
        yield entries.job(GUEST, plist, session=user)
    yield from _nanoclaw(keep, keep.agent)


def _jobs(keep: Keep) -> list[bytes]:
    if keep.agent is None:
        return []
    timezone = placement(keep.agent).process.get("TZ")
    return [log_agent(timezone), *([tools_agent()] if serves(keep) else [])]


def _files(keep: Keep, agent: Agent, jobs: list[bytes]) -> Iterator[Check]:
    user = keep.guest.user
    agents = f"/Users/{user}/Library/LaunchAgents"
    yield from entries.of(
        GUEST,
        [
            *runtime.files(keep, agent),
            File(PROGRAM, program.tool_server()),
            File(CONFIGURATION, configuration(keep)),
            *(
                File(
                    f"{agents}/{plistlib.loads(plist)['Label']}.plist", plist, "644", user, "staff"
                )
                for plist in jobs
            ),
        ],
    )
    for file in secrets.agent_files(placement(agent)):
        if file.content is not None:
            yield entries.secret(GUEST, file.path, user)
    known = [f"{runtime.PROGRAMS}/bin/{name}" for name in ("docker", "container")]
    known += [f"{runtime.LIBEXEC}/{name}" for name in runtime.guest_programs()]
    yield Check(
        GUEST, "nothing-else", runtime.LIBEXEC, "no program beyond those declared",
        {"folders": [runtime.LIBEXEC], "known": [*known, PROGRAM, granted.CLIENT,
                                                f"{runtime.LIBEXEC}/__pycache__/*"]},
    )  # fmt: skip


def _nanoclaw(keep: Keep, agent: Agent) -> Iterator[Check]:
    profile, user = agent.release_profile, keep.guest.user
    plist = job.job(keep, agent, job.UNBUILT, {})
    words = [profile.node, f"{runtime.ROOT}/releases/{agent.pin[:12]}-\0/dist/index.js"]
    yield entries.job(GUEST, plist, session=user, arguments=words)
    as_user = f"sudo -n -u {user} -H"
    status = f"{as_user} {runtime.PYTHON} {checkout.PROGRAM} status {profile.node}"
    yield Check(
        GUEST, "release", profile.name, f"{profile.version} at {agent.pin[:12]}, unchanged",
        {"command": status,
         "spec": checkout.specification(agent)["digest"]},
    )  # fmt: skip
