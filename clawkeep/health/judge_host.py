"""From what the host sees of itself and of the guest to findings. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from clawkeep.agent.report import ILL, UNKNOWN, WELL
from clawkeep.health.finding import Finding
from clawkeep.onhost.plain import plain

FLAPPING: Final = 5
"""Starts of the guest in a quarter of an hour that are no accident: launchd tries every 10 s."""

LEAST_FREE: Final = 2 << 30
"""Bytes free on the Mac: less, and tart and the guest's growing disk fail. Our choice."""

LINK_LOCAL: Final = "169.254."

#: What tart says when it does not start a guest, the first that fits. Source: reference/tart.md §4.
REFUSALS: Final = (
    ("slots", re.compile(r"number of VMs exceeds the system limit(?: \(([^)]*)\))?")),
    ("keychain-locked", re.compile(
        r"SecKeyCreateRandomKey|Failed to generate keypair|Interaction is not allowed")),
    ("suid-lost", re.compile(r"[Ss]oftnet[^\n]*(?:SUID|sudo|passwordless|privilege)")),
    ("host-disk-full", re.compile(r"No space left on device|ENOSPC")),
    ("guest-cut", re.compile(r"the guest stays down: (cut off[^\n]*)")),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look saw from outside the guest. None is what nobody could tell.

    `job` is the guest's launchd job: `running`, `loaded`, `absent`, or `no session`. `state` is
    tart's word for the guest. `starts` counts those of the last quarter of an hour, 0 for one that
    has run for a while. `words` are the supervisor's last ones. `others` are VMs of others that
    run now. `ssh` is the banner, `ssh_error` why there is none. `held` tells that we have left the
    guest down.
    """

    free: int | None = None
    softnet: str = ""
    job: str | None = None
    state: str | None = None
    starts: int = 0
    words: str = ""
    others: Sequence[str] = field(default_factory=tuple)
    address: str = ""
    carried: bool = False
    ssh: str = ""
    ssh_error: str = ""
    ssh_ms: int | None = None
    cut: str = ""
    held: bool = False

    @property
    def runs(self) -> bool:
        """Whether tart says that the guest runs."""
        return self.state == "running"


def findings(seen: Seen, inside: str | None, guest_says: str) -> Iterator[Finding]:
    """Yield the layers up to `inside`, in order.

    `inside` is "" when the guest's agent answered, else why not, None when it was not asked.
    `guest_says` is the address that the guest itself sees, "" for none.
    """
    yield _host(seen)
    yield _slots(seen)
    yield _guest(seen)
    if not seen.runs:
        for layer in ("address", "ssh", "inside"):
            yield Finding(layer, UNKNOWN, "not seen", "the guest does not run")
        return
    yield _address(seen, inside, guest_says)
    yield _ssh(seen, inside)
    yield _inside(seen, inside)


def _host(seen: Seen) -> Finding:
    refusal = refused(seen.words)
    if seen.free is not None and seen.free < LEAST_FREE:
        free = f"{seen.free / 1e9:.1f} GB free"
        return Finding("host", ILL, free, "on the disk of tart's VMs", "host-disk-full")
    if seen.softnet:
        return Finding("host", ILL, "softnet is not SUID", seen.softnet, "suid-lost")
    if seen.job == "no session":
        return Finding("host", ILL, "no session", "launchd has no GUI session", "no-session")
    if refusal and refusal[0] not in {"slots", "guest-cut"} and not seen.runs:
        return Finding("host", ILL, "tart refuses to start", refusal[1], refusal[0])
    if seen.free is None or seen.job is None:
        return Finding("host", UNKNOWN, "not seen", "the host did not say")
    return Finding("host", WELL, f"{seen.free / 1e9:.0f} GB free", "softnet is SUID")


def _slots(seen: Seen) -> Finding:
    refusal = refused(seen.words)
    shown = ", ".join(plain(name, 40) for name in seen.others) or "no other VM runs"
    if refusal and refusal[0] == "slots" and not seen.runs:
        if len(seen.others) >= 2:
            return Finding("slots", ILL, "both are taken", f"by {shown}", "slots-taken")
        return Finding("slots", ILL, "one leaked", f"{refusal[1]}; {shown}", "slot-leaked")
    return Finding("slots", WELL, "one is the guest's" if seen.runs else "free", shown)


def refused(words: str) -> tuple[str, str] | None:
    """Return which refusal the supervisor's last words are, and what shows it."""
    for name, pattern in REFUSALS:
        if found := pattern.search(words):
            return name, plain(found[0])
    return None


def _guest(seen: Seen) -> Finding:
    shown = seen.state or "unknown"
    if seen.job == "absent":
        cause = "guest-held" if seen.held else "guest-off"
        return Finding("guest", ILL, f"{shown}, job not loaded", "com.nanoclaw.vm", cause)
    if seen.cut and not seen.runs:
        return Finding("guest", ILL, shown, seen.cut, "guest-cut")
    if seen.starts >= FLAPPING:
        words = f"{seen.starts} starts in 15 min; {_last(seen.words)}"
        return Finding("guest", ILL, shown, words, "guest-flapping")
    if seen.state is None:
        return Finding("guest", UNKNOWN, "not seen", "tart did not say")
    if not seen.runs:
        return Finding("guest", ILL, shown, _last(seen.words), "guest-down")
    return Finding("guest", WELL, "running", f"{seen.starts} starts lately")


def _last(words: str) -> str:
    lines = [line for line in words.splitlines() if line.strip()]
    return plain(lines[-1]) if lines else "its supervisor said nothing"


def _address(seen: Seen, inside: str | None, guest_says: str) -> Finding:
    wedged = [each for each in (seen.address, guest_says) if each.startswith(LINK_LOCAL)]
    if wedged and not seen.ssh:
        # Two signals: what the guest has, and that the host does not reach it.
        others = f"; other VMs: {', '.join(seen.others)}" if seen.others else ""
        return Finding("address", ILL, wedged[0], f"no way to it{others}", "vmnet-wedge")
    if seen.address and not seen.carried:
        words = f"no guests' network of the host has {plain(seen.address, 40)}"
        return Finding("address", ILL, plain(seen.address, 40), words, "false-address")
    if seen.address:
        return Finding("address", WELL, seen.address, "by tart's agent")
    if inside == "":
        return Finding("address", ILL, "none", "tart's agent knows of none", "no-address")
    return Finding("address", UNKNOWN, "not seen", "tart's agent did not say")


def _ssh(seen: Seen, inside: str | None) -> Finding:
    if seen.ssh:
        return Finding("ssh", WELL, f"{seen.ssh_ms} ms", plain(seen.ssh, 60))
    if not seen.carried:
        return Finding("ssh", UNKNOWN, "not tried", "no address to try")
    if inside == "":
        return Finding("ssh", ILL, "no answer", seen.ssh_error, "sshd-dead")
    return Finding("ssh", UNKNOWN, "no answer", seen.ssh_error)


def _inside(seen: Seen, inside: str | None) -> Finding:
    if inside == "":
        return Finding("inside", WELL, "answers", "over vsock")
    if inside is None:
        return Finding("inside", UNKNOWN, "not asked")
    cause = "agent-tool-mute" if seen.ssh else "guest-frozen"
    return Finding("inside", ILL, "no answer", plain(inside), cause)
