"""The live link between host and guest, asked of the host."""

from __future__ import annotations

from clawkeep import ifconfig, tart
from clawkeep.model import Link
from roles.probe import Answer, Probe


def live_link(guest: str) -> Probe[Link | str]:
    """Return the probe for the guest's link; its meaning is a Link, or why there is none."""
    return Probe(f"link {guest}", f"{tart.address(guest)}\nifconfig", _link)


def _link(answer: Answer) -> Link | str:
    first, _, rest = answer.text.partition("\n")
    words = first.split()
    if len(words) != 2 or words[1] not in {"agent", "dhcp"}:
        return "tart knows no address of the guest: it is not running, or still booting"
    try:
        return ifconfig.link(rest, words[0])
    except ifconfig.LinkError as error:
        return str(error)
