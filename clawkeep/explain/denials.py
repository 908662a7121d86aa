"""What the guest can never do, each with the layers that refuse it; and what nobody promises.

The layers: Softnet filters every frame of the guest by its destination; pf, in the Mac's kernel,
filters by port and protocol, with a second, unchanging set of rules behind the first. They were
read in reference/tart.md §2.2 and reference/macos.md §1.4; SECURITY.md owns what is not promised.
"""

from __future__ import annotations

from collections.abc import Iterator

from clawkeep.explain.prose import code, listed
from clawkeep.model import Keep
from clawkeep.policy import EgressPolicy

SOFTNET = "Softnet"
PF = "pf (and the wall behind its doors)"

NOT_PROMISED = tuple(
    " ".join(lines)
    for lines in (
        (
            "Anything inside the guest. Whoever is root there owns everything in it, and",
            "everything in the folders that it may write.",
        ),
        (
            "Protection from a declared service. A door leads to the whole service, with its",
            "weaknesses and with whatever the agent's credentials allow there.",
        ),
        (
            "Protection from the operator's own Mac. Whoever administers it can change all of",
            "this.",
        ),
        ("Bugs in macOS's virtualization, vmnet, pf or virtiofs (shared folders).",),
        ("Covert channels: timing, load, and what a declared service passes on to others.",),
        (
            "Availability: a guest can use up its own processor, memory and disk, and fill the",
            "folders that it may write.",
        ),
        (
            "A second wall where only one can see: Softnet knows no ports, so the other ports of",
            "the gateway are closed by pf alone.",
        ),
    )
)
"""Each begins as its entry in SECURITY.md; the last is from there too, under what is promised."""


def sentences(keep: Keep, policy: EgressPolicy) -> Iterator[str]:
    """Yield the denials of a keep."""
    yield from _network(keep, policy)
    yield from _machine(keep)


def _network(keep: Keep, policy: EgressPolicy) -> Iterator[str]:
    yield _refused(_internet(policy), SOFTNET, PF)
    yield _refused(
        "Reach the Mac by any other port of the gateway: file sharing, screen sharing, SSH and "
        "whatever listens there",
        PF,
    )
    yield _refused("Reach the Mac by any other of its addresses", SOFTNET, PF)
    behind = listed(code(service.target) for service in keep.services) if keep.services else ""
    also = f", those behind the doors ({behind}) included" if behind else ""
    yield _refused(f"Reach any machine of the local network directly{also}", SOFTNET, PF)
    yield _refused(
        "Reach another guest of this Mac", SOFTNET, "the bridge, which keeps its members apart"
    )
    yield _refused("Use IPv6 at all", SOFTNET, PF)
    yield _refused(
        "Send anything but TCP through a door: no UDP, no ping, no other protocol",
        f"{PF}; towards anything but the gateway also {SOFTNET}",
    )
    yield _refused(
        "Ask any name server (DNS)", f"{PF}; for those that are not the gateway, also {SOFTNET}"
    )
    yield _refused("Use another network address than its own", SOFTNET, PF)
    yield _refused("Use another hardware (MAC) address than its own", SOFTNET)
    yield (
        "Start before all of this is in force: the guest is not started until pf has been seen to "
        "refuse everything, and the doors open after that."
    )


def _internet(policy: EgressPolicy) -> str:
    if policy.mode == "cidrs":
        return "Reach an address of the internet that is not listed above, or another port of one"
    if policy.mode == "domains":
        return "Reach the internet past the proxy, whose list refuses every other name"
    return "Reach the internet, by any address or port"


def _machine(keep: Keep) -> Iterator[str]:
    other = "any other folder" if keep.guest.mounts else "any folder"
    yield (
        f"See {other} of the Mac: the virtual machine is given none. The Mac's clipboard, "
        "microphone and loudspeaker are not given to it either."
    )
    if any(mount.read_only for mount in keep.guest.mounts):
        yield "Write to a folder that it may only read: the Mac refuses that by itself."
    holds = " (keep them out of the folders that it may write)" if _writable(keep) else ""
    yield (
        "Change any of this: the rules, the doors and this declaration are on the Mac, and belong "
        f"to users that the guest cannot be{holds}."
    )


def _writable(keep: Keep) -> bool:
    return not all(mount.read_only for mount in keep.guest.mounts)


def _refused(what: str, *layers: str) -> str:
    return f"{what}. Refused by {listed(layers)}."
