"""What can be wrong, by name: in words, with what mends it, and who must.

A cause that lies on the host has no repairs: restarting the guest would not help it, and each
start would be one more that fails. The one exception is vmnet's wedge, which nothing but a new
start of the guest heals; it is tried once. Source: reference/macos.md §9, reference/tart.md §4, §9.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LAYERS: Final = (
    "host", "slots", "guest", "address", "ssh", "inside", "job", "process", "loop", "channel",
    "credential", "disk", "memory", "load",
)  # fmt: skip
"""In the order in which they are shown: each needs those before it, but for the last three."""

BLAME: Final = (
    "host", "slots", "guest", "inside", "address", "disk", "job", "process", "loop", "channel",
    "ssh", "memory", "credential", "load",
)  # fmt: skip
"""In the order in which they explain what is ill: the first ill one is the cause of the rest."""

PROCESS, JOB, GUEST, HOLD = "process", "job", "guest", "hold"
"""The repairs: NanoClaw's process, its job, the guest; and to leave the guest down."""

AGENT: Final = (PROCESS, JOB, GUEST)


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that can be wrong.

    `repairs` are tried in this order. `patience_s` is for how long it must have been so before it
    counts: a Mac that boots, and launchd's own restarts, need their time.
    """

    words: str
    repairs: tuple[str, ...] = ()
    fix: str = ""
    patience_s: float = 0.0
    severity: str = "critical"


APPLY: Final = "clawkeep apply base"

CAUSES: Final[dict[str, Cause]] = {
    "host-disk-full": Cause(
        "the Mac's disk is full", fix="clawkeep vm list, then delete what is not needed"
    ),
    "suid-lost": Cause("root's copy of softnet has lost its SUID bit", fix=APPLY, patience_s=20),
    "keychain-locked": Cause(
        "the login keychain is locked, so macOS starts no guest",
        fix="log in at the screen once, with automatic login on",
    ),
    "no-session": Cause(
        "nobody is logged in at the screen, so nothing starts the guest",
        fix="log in at the screen once, with automatic login on",
        patience_s=180,
    ),
    "guest-off": Cause(
        "the guest's job is not loaded: it was taken down",
        fix=APPLY,
        patience_s=30,
        severity="warning",
    ),
    "guest-held": Cause(
        "the guest ended again and again, and is left down",
        fix=f"clawkeep logs says why it ended; then {APPLY}",
    ),
    "guest-cut": Cause("the guard keeps the guest down", fix="clawkeep enforce --reopen"),
    "slots-taken": Cause(
        "other VMs take both of macOS's places", fix="end one of them", patience_s=20
    ),
    "slot-leaked": Cause(
        "macOS counts a guest that is not there", fix="sudo reboot the Mac", patience_s=20
    ),
    "guest-down": Cause("the guest does not run", (GUEST,), patience_s=90),
    "guest-flapping": Cause("the guest ends again and again", (HOLD,)),
    "guest-frozen": Cause(
        "the guest answers neither over vsock nor over SSH", (GUEST,), patience_s=120
    ),
    "agent-tool-mute": Cause(
        "tart's agent in the guest does not answer, so nobody sees what is inside",
        fix="clawkeep vm stop, then " + APPLY,
        patience_s=90,
    ),
    "vmnet-wedge": Cause(
        "vmnet gives the guest no address (169.254), as after a sleep of the Mac",
        (GUEST,),
        "sudo reboot the Mac; VMs of others may be cut off, too",
        patience_s=45,
    ),
    "no-address": Cause("the guest has no address", (GUEST,), patience_s=90),
    "false-address": Cause(
        "the guest says that it has an address which none of the host's guests' networks has",
        fix="look at the guest: it lies, or its network was changed",
        patience_s=45,
    ),
    # Nobody is root in the guest over vsock, and the agent works without sshd.
    "sshd-dead": Cause(
        "the guest's sshd does not answer",
        fix=f"clawkeep vm stop, then {APPLY}",
        patience_s=45,
        severity="warning",
    ),
    "job-missing": Cause("NanoClaw's job is not loaded", (JOB, GUEST), patience_s=5),
    "job-idle": Cause("launchd has NanoClaw's job, but starts no process", AGENT, patience_s=60),
    "crash-loop": Cause(
        "NanoClaw ends again and again", (GUEST,), "clawkeep logs agent says why", patience_s=300
    ),
    "process-foreign": Cause(
        "the NanoClaw that runs is not the one that launchd was given",
        fix="clawkeep apply agent",
        patience_s=60,
    ),
    "process-several": Cause(
        "more than one NanoClaw runs", fix="end those that launchd did not start", patience_s=60
    ),
    "loop-hung": Cause("NanoClaw runs, but does nothing", AGENT, patience_s=10),
    "socket-dead": Cause("NanoClaw's own channel does not answer", AGENT, patience_s=20),
    "channel-lost": Cause(
        "a channel is not connected", (PROCESS,), "clawkeep logs agent says why", patience_s=900
    ),
    "credential-refused": Cause(
        "the model refuses the agent's credential",
        fix="clawkeep secrets, then clawkeep apply agent",
        severity="warning",
    ),
    "guest-disk-full": Cause(
        "the guest's disk is full", fix="free space in the guest, or declare a larger disk_gb"
    ),
    "memory-short": Cause(
        "the guest has no memory left",
        fix="declare more memory_gb, or end what takes it",
        patience_s=120,
        severity="warning",
    ),
    "overloaded": Cause(
        "the guest has more to compute than it can",
        fix="declare more cpu, or end what takes it",
        patience_s=300,
        severity="warning",
    ),
}
