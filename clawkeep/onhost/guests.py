"""The guest, as the host sees it: where it is on the network, and how it is ended."""

from __future__ import annotations

import re
import subprocess
from ipaddress import IPv4Interface

from clawkeep import ifconfig, tart
from clawkeep.ifconfig import LinkError
from clawkeep.link import Link
from clawkeep.onhost import world
from clawkeep.policy import Policy
from clawkeep.render.anchor import BRIDGES

VM_LABEL = "com.nanoclaw.vm"
TART_S = 10

#: vmnet's bridges begin at 100; a Mac's own, as Thunderbolt's, are below. Source: reference/tart.md
#: §2.5.
VMNET = re.compile(r"bridge[1-9]\d{2,}")


def interfaces() -> str:
    """Return ifconfig's sections of vmnet's bridges, on which guests are."""
    return sections(world.run(["/sbin/ifconfig"]).stdout)


def sections(text: str) -> str:
    """Return the sections of vmnet's bridges; all other interfaces change for their own reasons."""
    kept, ours = [], False
    for line in text.splitlines():
        if line and not line[0].isspace():
            ours = VMNET.fullmatch(line.split(":", 1)[0]) is not None
        if ours:
            kept.append(line)
    return "\n".join(kept)


def networks(text: str) -> list[str]:
    """Return the guests' networks in ifconfig's sections."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["inet"] and words[2:3] == ["netmask"]:
            mask = f"{int(words[3], 16):032b}".count("1")
            found.append(str(IPv4Interface(f"{words[1]}/{mask}").network))
    return found


def unheld(text: str) -> str:
    """Say which bridges with guests no rule of ours names, "" if none; `text` is `interfaces()`.

    macOS picks the number; a guest beyond the last that is named is held by nothing.
    """
    used = {
        bridge
        for bridge, words in ifconfig.details(text)
        if bridge not in BRIDGES and words[0] in {"member:", "inet"}
    }
    if not used:
        return ""
    return (
        f"{', '.join(sorted(used))}: no rule of ours names a bridge beyond {BRIDGES[-1]}; stop the "
        "guests that are not needed, and then this one, so that it gets another"
    )


def find(policy: Policy, text: str, known: Link | None) -> Link:
    """Return the running guest's link; `text` is `interfaces()`. Raises LinkError.

    Only the guest's agent is believed: the lease file still has the address of a guest that is
    gone, and by now that may be another guest's (reference/tart.md §1.6). An agent that does not
    answer, or a tart that hangs, changes nothing for a link that is `known` and whose bridge
    stands: a busy guest must not lose its doors. The canary goes the same way and limits how long.
    """
    if not networks(text):
        raise LinkError("no guest runs: there is no bridge")
    try:
        listing = world.as_owner(policy, tart.list_local(), timeout_s=TART_S).stdout
        if not any(vm.name == policy.guest and vm.running for vm in tart.parse_list(listing)):
            raise LinkError(f"{policy.guest} is not running")
        ask = [tart.TART, "ip", policy.guest, "--resolver=agent"]
        address = world.as_owner(policy, ask, timeout_s=TART_S).stdout.strip()
    except (OSError, subprocess.TimeoutExpired, tart.TartError) as error:
        return _still(known, text, f"tart does not answer: {error}")
    if not address:
        return _still(known, text, f"{policy.guest} runs, but its agent does not answer yet")
    return ifconfig.link(text, address)


def _still(known: Link | None, text: str, why: str) -> Link:
    """Return the known link while its bridge is as it was. Raises LinkError."""
    if known is not None and known == ifconfig.link(text, str(known.guest)):
        return known
    raise LinkError(why)


def shut_down(policy: Policy) -> str:
    """Ask the guest's supervisor for an orderly end; without one, cut the power. Say which.

    Its job is the owner's; launchd starts it again, and then it asks the guard first.
    """
    job = f"gui/{policy.owner_uid}/{VM_LABEL}"
    if world.run(["/bin/launchctl", "kill", "SIGTERM", job]).returncode == 0:
        return "its supervisor was asked to shut it down"
    return cut_power(policy)


def cut_power(policy: Policy) -> str:
    """End the guest at once. Say what came of it."""
    try:
        stop = [tart.TART, "stop", policy.guest, "--timeout", "1"]
        done = world.as_owner(policy, stop, timeout_s=20)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"tart stop: {error}"
    return "its power was cut" if done.returncode == 0 else f"tart stop: {done.stderr.strip()}"
