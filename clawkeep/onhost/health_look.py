"""One look at the keep, from the Mac's disk to the agent's loop: what the host itself sees.

Root runs nothing of the owner's or the guest's; every question has its time limit, and what the
guest answers is bounded and only read. An address that the guest says is dialled only when one of
the host's own guests' networks has it: the guest must not choose whom root talks to.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import stat
import subprocess
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clawkeep import ifconfig, tart
from clawkeep.agent.facts import Facts
from clawkeep.agent.program import program
from clawkeep.canary import ask
from clawkeep.health.judge_host import Seen, refused
from clawkeep.health.plan import Plan
from clawkeep.onhost import census, guests, situation, world
from clawkeep.policy import Policy
from clawkeep.supervisor import log_file

SOFTNET = Path("/opt/clawkeep/libexec/softnet")
MODULES = ("agent.probe_processes", "agent.probe_state", "agent.probe", "health.inside")
LOOP_WAIT_S = 4

SETTLED_S = 120.0
"""What has run for so long does not end again and again."""

GUEST_S = 15.0
SSH_S = 3.0

#: In the guest: as the agent's user where there is one, whoever the agent of tart runs as else.
ENTER = """
u=$(stat -f %Su /opt/nanoclaw/state 2>/dev/null)
if [ -z "$u" ] || [ "$(id -un)" = "$u" ]; then exec "$@"; fi
exec sudo -n -H -u "$u" "$@"
"""

#: A line of the supervisor's log, and the one with which it begins.
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (.*)")
BEGINS = re.compile(r"starting: |the guest stays down: ")
WORDS = 40


@dataclass
class Starts:
    """How often something was started lately, by a counter that only grows or a name that changes.

    launchd counts a job's starts (`runs`) as long as it is loaded.
    """

    window_s: float
    _times: deque[tuple[float, int]] = field(default_factory=deque)
    _last: int | None = None

    def note(self, now: float, runs: int | None) -> int:
        """Note the counter; return the starts within the window."""
        if runs is not None:
            grown = runs - self._last if self._last is not None and runs >= self._last else 0
            self._last = runs
            if grown:
                self._times.append((now, grown))
        while self._times and now - self._times[0][0] > self.window_s:
            self._times.popleft()
        return sum(count for _, count in self._times)

    def clear(self) -> None:
        """Count from now on."""
        self._times.clear()

    def settled(self, now: float) -> bool:
        """Tell whether the last start was a while ago."""
        return not self._times or now - self._times[-1][0] > SETTLED_S

    def forgive(self) -> None:
        """Forget one start: it was ours."""
        if self._last is not None:
            self._last += 1


@dataclass
class Eyes:
    """Looks, and remembers how often the guest and NanoClaw were started."""

    guest_starts: Starts = field(default_factory=lambda: Starts(900.0))
    agent_starts: Starts = field(default_factory=lambda: Starts(600.0))

    def outside(self, policy: Policy, now: float, *, held: bool) -> Seen:
        """Look at the host and at the guest from outside. Never raises for what is not well."""
        job, runs = _job(policy)
        state, others = _vms(policy)
        starts = self.guest_starts.note(now, runs)
        words = "" if state == "running" else last_words(policy)
        if refused(words) is not None:
            # Those starts failed for a reason that has a name; the guest may be as sound as ever.
            self.guest_starts.clear()
        if refused(words) is not None or (state == "running" and self.guest_starts.settled(now)):
            starts = 0
        address, carried = "", False
        ssh: tuple[str, str, int | None] = ("", "", None)
        if state == "running":
            address = _address(policy)
            with contextlib.suppress(OSError, subprocess.SubprocessError, ifconfig.LinkError):
                carried = bool(address) and bool(ifconfig.link(guests.interfaces(), address))
            if carried:
                ssh = banner(address)
        return Seen(
            free=_free(policy),
            softnet=_softnet(),
            job=job,
            state=state,
            starts=starts,
            words=words,
            others=others,
            address=address,
            carried=carried,
            ssh=ssh[0],
            ssh_error=ssh[1],
            ssh_ms=ssh[2],
            cut=cut.why if (cut := situation.cut()) is not None else "",
            held=held,
        )


def inside(policy: Policy, plan: Plan) -> tuple[Facts | None, str]:
    """Ask the guest in one round trip; return what it says, or None and why there is nothing."""
    agent = plan.agent
    question: dict[str, Any] = {
        "root": agent.root if agent else "/opt/nanoclaw",
        "agent": agent is not None,
        "label": agent.label if agent else "",
        "local": bool(agent and agent.local),
        "users": list(agent.users) if agent else [],
        "wait_s": LOOP_WAIT_S,
    }
    words = [tart.TART, "exec", "-i", policy.guest, "/bin/sh", "-c", ENTER, "sh"]
    command = [*words, "/usr/bin/python3", "-I", "-"]
    began = time.monotonic()
    try:
        said = ask.as_owner(policy, command, program(MODULES, question), GUEST_S)
    except OSError as error:
        return None, f"tart cannot be run: {error}"
    try:
        data = json.loads(said.rpartition("\n@")[2])
    except (ValueError, RecursionError):
        data = None
    if isinstance(data, dict):
        return Facts(data), ""
    if time.monotonic() - began >= GUEST_S:
        return None, f"no answer within {GUEST_S:.0f} s"
    lines = said.strip().splitlines()
    return None, lines[-1] if lines else "it said nothing"


def banner(address: str) -> tuple[str, str, int | None]:
    """Return sshd's banner, or why there is none, and the milliseconds that it took."""
    began = time.monotonic()
    try:
        with socket.create_connection((address, 22), timeout=SSH_S) as sock:
            sock.settimeout(SSH_S)
            said = sock.recv(255).split(b"\n")[0].decode(errors="replace").strip()
    except OSError as error:
        return "", f"{address}:22: {error.strerror or error}", None
    took = round((time.monotonic() - began) * 1000)
    if not said.startswith("SSH-"):
        return "", f"{address}:22: no SSH banner: {said!r}", None
    return said, "", took


def last_words(policy: Policy) -> str:
    """Return what the supervisor said since it last began to start the guest.

    Its log is the owner's: only lines that look like its own are read.
    """
    lines, _ = census.tail(Path(policy.owner_home) / log_file(policy.guest))
    found: list[str] = []
    for line in reversed(lines[-500:]):
        match = LINE.fullmatch(line)
        if match is None:
            continue
        found.append(match[1])
        if BEGINS.match(match[1]) or len(found) >= WORDS:
            break
    return "\n".join(reversed(found))


def _job(policy: Policy) -> tuple[str | None, int | None]:
    """Return how the guest's job is, and how often launchd has started it. See `Seen.job`."""
    domain = f"gui/{policy.owner_uid}"
    try:
        done = world.run(["/bin/launchctl", "print", f"{domain}/{guests.VM_LABEL}"], timeout_s=5)
        if done.returncode:
            there = world.run(["/bin/launchctl", "print", domain], timeout_s=5).returncode == 0
            return ("absent" if there else "no session"), None
    except (OSError, subprocess.SubprocessError):
        return None, None
    runs = re.search(r"^\s*runs = (\d{1,9})$", done.stdout, re.MULTILINE)
    state = "running" if re.search(r"^\s*pid = \d+", done.stdout, re.MULTILINE) else "loaded"
    return state, int(runs[1]) if runs else None


def _vms(policy: Policy) -> tuple[str | None, tuple[str, ...]]:
    """Return tart's word for the guest, and what other VMs run."""
    try:
        listing = world.as_owner(policy, tart.list_local(), timeout_s=guests.TART_S).stdout
        vms = tart.parse_list(listing)
        processes = world.run(["/bin/ps", "-axwwo", "args="], timeout_s=5).stdout
    except (OSError, subprocess.SubprocessError, tart.TartError):
        return None, ()
    state = next((vm.state for vm in vms if vm.name == policy.guest), "absent")
    named = [vm.name for vm in vms if vm.running and vm.name != policy.guest]
    foreign, of_tart = tart.others(processes, policy.guest)
    unnamed = max(0, of_tart - len(named))
    return state, (*named, *foreign, *(["a guest of another user's"] * unnamed))


def _address(policy: Policy) -> str:
    """Return the address that tart's agent in the guest says, "" for none."""
    command = [tart.TART, "ip", policy.guest, "--resolver=agent"]
    try:
        said = world.as_owner(policy, command, timeout_s=guests.TART_S).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
    return said if re.fullmatch(r"[0-9.]{7,15}", said) else ""


def _free(policy: Policy) -> int | None:
    """Return the bytes that are free where tart keeps its VMs."""
    for folder in (f"{policy.owner_home}/.tart", policy.owner_home):
        with contextlib.suppress(OSError):
            facts = os.statvfs(folder)
            return facts.f_bavail * facts.f_frsize
    return None


def _softnet() -> str:
    """Say what is wrong with root's copy of softnet, "" when nothing is."""
    try:
        facts = SOFTNET.stat()
    except OSError as error:
        return f"{SOFTNET}: {error.strerror}"
    if facts.st_uid != 0 or not facts.st_mode & stat.S_ISUID:
        return f"{SOFTNET} has mode {stat.S_IMODE(facts.st_mode):o} and owner {facts.st_uid}"
    return ""
