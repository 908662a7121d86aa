"""Where the canary finds itself: the guest that runs, its link, and who else is there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from clawkeep import ifconfig, tart
from clawkeep.canary import ask
from clawkeep.link import Link
from clawkeep.onhost import world
from clawkeep.policy import Policy

TART_S = 4


class NoGuestError(Exception):
    """The guest does not run: there is nothing to probe."""


@dataclass(frozen=True, slots=True)
class Scene:
    """The running guest, what `ifconfig` of its host prints, and other guests' addresses."""

    link: Link
    interfaces: str
    guests: tuple[str, ...]


def scene(policy: Policy) -> Scene:
    """Find the guest and the others, by tart and ifconfig alone: not by what the guard believes.

    Raises NoGuestError, TartError, LinkError, OSError, SubprocessError.
    """
    listing = world.as_owner(policy, tart.list_local(), timeout_s=TART_S).stdout
    running = [vm.name for vm in tart.parse_list(listing) if vm.running]
    if policy.guest not in running:
        raise NoGuestError(f"{policy.guest} is not running")
    others = [name for name in running if name != policy.guest]
    # `-` where tart knows no address: each name has its line.
    asked = "; ".join(
        f"a=$({tart.address(name)}); echo ${{a:--}}" for name in (policy.guest, *others)
    )
    lines = ask.as_owner(policy, ["/bin/sh", "-c", asked], "", TART_S).splitlines()
    addresses = [line.split()[0] for line in lines if line.split()]
    if len(addresses) != len(running) or addresses[0] == "-":
        raise ifconfig.LinkError("tart knows no address of the guest")
    interfaces = world.run(["/sbin/ifconfig"]).stdout
    link = ifconfig.link(interfaces, addresses[0])
    return Scene(link, interfaces, tuple(_guests(addresses[1:], interfaces, link)))


def _guests(words: Sequence[str], interfaces: str, link: Link) -> Iterator[str]:
    """Yield what are addresses on a guests' bridge: another guest's agent may say anything."""
    for word in words:
        with contextlib.suppress(ifconfig.LinkError):
            other = ifconfig.link(interfaces, word).guest
            if other not in {link.guest, link.gateway}:
                yield str(other)
