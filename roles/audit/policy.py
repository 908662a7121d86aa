"""The security model's five promises, each resting on checks of the live keep as its evidence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from clawkeep import state
from clawkeep.audit.check import Check, Machine, State
from clawkeep.audit.scene import Scene
from clawkeep.model import Keep
from clawkeep.onhost import paths
from clawkeep.render.plist import VM_LABEL
from clawkeep.skills.wanted import wanted

KEEP = Machine.KEEP
NETWORK = ("host/rules/", "host/process/softnet", "host/process/tart run")


def checks(keep: Keep, scene: Scene, others: Sequence[Check]) -> list[Check]:
    """Return the five; `others` are all checks that there are to rest on."""

    def promise(target: str, says: str, *on: str, knows: object = ()) -> Check:
        names = [check.name for check in others if check.name.startswith(on)]
        return Check(KEEP, "policy", target, says, {"on": names, "knows": knows})

    mode = keep.egress.mode
    internet = {"none": "no internet", "domains": "no internet but the declared names"}
    agents = f"host/file/~/Library/LaunchAgents/{VM_LABEL}.plist"
    return [
        promise(
            "internet",
            internet.get(mode, "no internet but the declared networks"),
            *NETWORK,
            "guest/reach/internet",
        ),
        promise(
            "bridges",
            "only declared and granted bridges",
            *("host/rules/", "host/listener", "host/process/bridge", "host/jobs/", "host/grants/"),
            *("guest/reach/host",),
        ),
        promise(
            "secrets",
            "by reference only, in files for one user alone",
            "host/secret/",
            "guest/secret/",
            knows=list(_secrets(keep, scene)),
        ),
        promise(
            "operator",
            "start, mounts and bridges are the operator's alone",
            *(agents, f"host/file/{paths.POLICY}", f"host/job/{VM_LABEL}", "host/process/tart run"),
            *("host/group/admin", "host/jobs/", "host/nothing-else/", "guest/share/"),
        ),
        promise(
            "rollback",
            f"a stopped snapshot to go back to ({keep.guest.base_snapshot})",
            f"host/vm/{keep.guest.base_snapshot}",
        ),
    ]


def _secrets(keep: Keep, scene: Scene) -> Iterator[tuple[str, str]]:
    """Yield what is known here: how many references are declared, and the operator's own key.

    A value where a reference must stand is an error of the declaration: there is no audit then.
    """
    count = len(keep.agent.references) if keep.agent else 0
    count += sum(len(hook.references) for hook in keep.alerts)
    count += len(keep.backup.references) if keep.backup else 0
    count += sum(len(skill.wants.secrets) for skill in wanted(keep))
    yield State.PASSED, f"{count} secrets are declared, all by reference"
    key = Path(state.folder(scene.host, keep.guest.name)) / "id_ed25519"
    if key.exists():
        mode = key.stat().st_mode & 0o777
        well = mode == 0o600
        yield (
            (State.PASSED if well else State.FAILED),
            f"the operator's key of the guest is {mode:o}",
        )
