"""The host, as the work on snapshots sees it: tart and launchd, each with its habits.

tart runs as the guest's owner. Its children inherit the lock on the guest, so that after a kill
nobody begins while one of them still clones. Automatic pruning is off: a clone must not cost the
cached image (reference/tart.md §1.3).
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from clawkeep import tart
from clawkeep.onhost import (
    clock,
    evidence,
    maintenance,
    paths,
    situation,
    snapshot_guest,
    store,
    verdicts,
    world,
)
from clawkeep.onhost.guests import VM_LABEL
from clawkeep.onhost.plain import plain
from clawkeep.onhost.snapshot_guest import NoAnswerError
from clawkeep.onhost.snapshot_jobs import OwnersJobs, wait
from clawkeep.policy import Policy
from clawkeep.render.plist import AGENT_PATH, property_list
from clawkeep.snapshots.errors import SnapshotError
from clawkeep.snapshots.ports import RUNNING, Tried
from clawkeep.snapshots.records import Facts

TRY_LABEL = "com.nanoclaw.snapshot-try"

#: There from before the guest's job is unloaded until it is loaded again; gone at each boot.
STOPPING = paths.RUN / "snapshot-stopping"

QUICK_S, CLONE_S = 60.0, 4 * 3600.0
"""A clone is done at once, unless the volume shares no blocks."""

START_S, BOOT_S = 30.0, 300.0
HEALTHY_S = 300.0
LOOK_S = 360.0

NO_WAY_OUT = ("--no-graphics", "--no-audio", "--no-clipboard", "--net-softnet-block=0.0.0.0/0")
"""tart knows no VM without a network; this one's reaches nothing, not even the gateway, and it gets
no shares. What is asked of it goes over vsock. Source: reference/tart.md §1.5, §2.3."""


class HostMac:
    """A Mac with its guest. `lock` holds the lock on the guest, None for who only looks."""

    def __init__(self, policy: Policy, lock: int | None) -> None:
        self.policy = policy
        self._inherited = () if lock is None else (lock,)
        self._jobs = OwnersJobs(policy)

    # -- tart --------------------------------------------------------------------------------

    def vms(self) -> dict[str, str]:
        """Return the state of each local VM by its name."""
        listing = self._tart(tart.list_local(), QUICK_S)
        try:
            return {vm.name: vm.state for vm in tart.parse_list(listing)}
        except tart.TartError as error:
            raise SnapshotError(str(error)) from error

    def clone(self, source: str, name: str) -> None:
        """Copy a stopped VM; a name that is taken would be replaced without a word."""
        if name in self.vms():
            raise SnapshotError(f"{name} is there already; nothing was done")
        self._tart(tart.clone(source, name), CLONE_S)

    def rename(self, name: str, new: str) -> None:
        """Rename a stopped VM; tart refuses a name that is taken."""
        self._tart([tart.TART, "rename", name, new], QUICK_S)

    def delete(self, name: str) -> None:
        """Delete a stopped VM; tart refuses one that runs."""
        self._tart([tart.TART, "delete", name], CLONE_S)

    def free(self) -> int:
        """Return the room on the volume of the owner's VMs in bytes, as it may be used."""
        return shutil.disk_usage(Path(self.policy.owner_home) / ".tart").free

    def _tart(self, command: Sequence[str], timeout_s: float) -> str:
        options = world.owner(self.policy)
        options["env"] = {**options["env"], "TART_NO_AUTO_PRUNE": "1"}
        words = " ".join(["tart", *command[1:]])
        try:
            done = world.run(command, timeout_s=timeout_s, pass_fds=self._inherited, **options)
        except subprocess.TimeoutExpired as error:
            raise SnapshotError(f"{words}: was not done after {timeout_s:.0f} s") from error
        if done.returncode != 0:
            said = plain((done.stderr or done.stdout).strip()[-300:], 300)
            raise SnapshotError(f"{words}: {said or f'exit status {done.returncode}'}")
        return done.stdout

    # -- the guest's job ---------------------------------------------------------------------

    def loaded(self) -> bool:
        """Tell whether the guest's job is loaded: whether the guest is meant to run."""
        return self._jobs.loaded(VM_LABEL)

    def stop(self) -> None:
        """Unload the job, whose supervisor shuts the guest down; returns when both are down.

        `bootout` returns while the job still drains, and `tart stop` would cut the power
        (reference/tart.md §1.7, §4).
        """
        store.write(STOPPING, f"{self.policy.guest}\n")
        self._jobs.unload(VM_LABEL)

    def start(self) -> None:
        """Load the guest's job, unless it is; launchd then starts the guest.

        A job that somebody was killed over while it drained looks loaded, and is about to go.
        """
        if STOPPING.exists():
            self._jobs.unload(VM_LABEL)
        plist = f"{self.policy.owner_home}/Library/LaunchAgents/{VM_LABEL}.plist"
        self._jobs.load(VM_LABEL, plist)
        STOPPING.unlink(missing_ok=True)

    # -- inside ------------------------------------------------------------------------------

    def drain(self, most_s: float) -> Facts:
        """Have the agent end its work and the guest write what it holds; say what it was then."""
        question = {"do": "drain", "most_s": most_s}
        try:
            limit = most_s + LOOK_S
            return snapshot_guest.facts(
                snapshot_guest.asked(self.policy, self.policy.guest, question, limit)
            )
        except NoAnswerError as error:
            return Facts(drained=f"nobody knows: {error}")

    def resume(self) -> None:
        """Have NanoClaw loaded again in a guest that was not stopped; a booting one does it."""
        if not snapshot_guest.alive(self.policy, self.policy.guest):
            return
        try:
            snapshot_guest.asked(self.policy, self.policy.guest, {"do": "resume"}, LOOK_S)
        except NoAnswerError as error:
            self.event(f"NanoClaw may be stopped in the guest: {error}")

    def answers(self) -> str:
        """Wait until the guest answers."""
        if wait(lambda: snapshot_guest.alive(self.policy, self.policy.guest), BOOT_S):
            return ""
        return f"nothing from {self.policy.guest} within {BOOT_S:.0f} s"

    def healthy(self, facts: Facts) -> str:
        """Wait until guest, guard, canary, and the agent if there was one, are well.

        Returns "" or what is not.
        """
        began, why = clock.now(), ["it was not looked at"]

        def well() -> bool:
            why[0] = self._closed(began) or self._agentless(facts)
            return not why[0]

        return "" if wait(well, HEALTHY_S, 1.0) else why[0]

    def _closed(self, began: float) -> str:
        """Say why the guest is not in its keep, "" when it is."""
        if not snapshot_guest.alive(self.policy, self.policy.guest):
            return "the guest does not answer"
        if (record := situation.recorded()).state != "open":
            return f"the guard has not opened its doors: {record.why or record.state or 'no word'}"
        if not evidence.CANARY_JOB.exists():
            return ""
        found = verdicts.parse(store.read(paths.CANARY))
        if found is None or found.t < began:
            # Its next turn would come by itself; nobody need wait for it.
            self._jobs.kick(evidence.CANARY_JOB.stem)
            return "the canary has not been through it yet"
        return "" if found.clean else f"the canary is {found.verdict}"

    def _agentless(self, facts: Facts) -> str:
        """Say why the agent that was in the snapshot does not run, "" when it does."""
        if not facts.release:
            return ""
        try:
            answer = snapshot_guest.asked(self.policy, self.policy.guest, {"do": "look"}, LOOK_S)
        except NoAnswerError as error:
            return str(error)
        if not str(answer.get("agent", "")).isdigit():
            return "NanoClaw does not run"
        tried = snapshot_guest.judged(answer, facts)
        return "" if tried.ok else tried.text

    # -- a trial ------------------------------------------------------------------------------

    def probe(self, name: str, facts: Facts) -> Tried:
        """Boot a VM in the owner's session, as the guest is, but cut off; look whether it is whole.

        Only in that session is the login keychain unlocked, which a VM needs (reference/tart.md
        §4). Whoever started it can be killed: `end_probe` finds it by its job.
        """
        home = self.policy.owner_home
        log = f"{home}/Library/Logs/clawkeep/{name}.log"
        plist = self._trial(name, log)
        try:
            self._jobs.load(TRY_LABEL, str(plist))
            if not self._booted(name):
                return self._unbooted(name, log)
            answer = snapshot_guest.asked(self.policy, name, {"do": "look"}, LOOK_S)
            return snapshot_guest.judged(answer, facts)
        except NoAnswerError as error:
            return Tried(ok=False, text=str(error))
        except (SnapshotError, OSError, subprocess.SubprocessError) as error:
            return Tried(ok=None, text=str(error))

    def _booted(self, name: str) -> bool:
        """Wait until a VM answers; not on for one that tart does not run."""
        began = time.monotonic()

        def over() -> bool:
            return snapshot_guest.alive(self.policy, name) or (
                time.monotonic() > began + START_S and self.vms().get(name) != RUNNING
            )

        return wait(over, BOOT_S) and snapshot_guest.alive(self.policy, name)

    def _trial(self, name: str, log: str) -> Path:
        plist = paths.STATE / "snapshots" / f"{TRY_LABEL}.plist"
        path = f"{paths.ROOT}/libexec:{AGENT_PATH}"
        job = {
            "Label": TRY_LABEL,
            "ProgramArguments": [tart.TART, "run", *NO_WAY_OUT, name],
            "RunAtLoad": True,
            "LimitLoadToSessionType": "Aqua",
            "EnvironmentVariables": {"PATH": path, "TART_NO_AUTO_PRUNE": "1"},
            "WorkingDirectory": self.policy.owner_home,
            "Umask": "077",
            "StandardOutPath": log,
            "StandardErrorPath": log,
        }
        store.write(plist, property_list(job).decode())
        return plist

    def _unbooted(self, name: str, log: str) -> Tried:
        """Tell a VM that did not come up from one that could not be run, which says nothing."""
        read = ["/usr/bin/tail", "-n", "3", log]
        said = plain(world.as_owner(self.policy, read).stdout.strip()[-300:], 300)
        if self.vms().get(name) != RUNNING:
            return Tried(ok=None, text=f"it could not be run: {said or 'tart said nothing'}")
        return Tried(ok=False, text=f"it did not answer within {BOOT_S:.0f} s of its start")

    def end_probe(self, name: str) -> None:
        """End the trial and whatever runs under its name; its power is cut, as it goes anyway."""
        self._jobs.unload(TRY_LABEL)
        if self.vms().get(name) == RUNNING:
            self._tart([tart.TART, "stop", name, "--timeout", "5"], QUICK_S)
        if not wait(lambda: self.vms().get(name) != RUNNING, QUICK_S):
            raise SnapshotError(f"{name} still runs; end it: tart stop {name}")

    # -- the rest ------------------------------------------------------------------------------

    def now(self) -> float:
        """Return the host's time, as people have set it: the daily one is for a time of day."""
        return clock.wall()

    def ticks(self) -> float:
        """Return seconds of a clock that nobody can set."""
        return time.monotonic()

    def maintenance(self, reason: str) -> AbstractContextManager[None]:
        """Say that the guest is down on purpose as long as the block runs."""
        return maintenance.doing(reason)

    def event(self, text: str) -> None:
        """Note what was done in the host's record."""
        store.event("snapshot", text)
