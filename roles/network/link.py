"""The live link between host and guest, asked of the host."""

from __future__ import annotations

import shlex

from clawkeep import ifconfig, tart
from clawkeep.link import Link
from roles.probe import Answer, Probe


def live_link(guest: str) -> Probe[Link | str]:
    """Return the probe for the guest's link; its meaning is a Link, or why there is none.

    Only the guest's agent is believed, as by the guard: a lease outlives its guest.
    """
    ask = f"{tart.TART} ip {shlex.quote(guest)} --resolver=agent || echo"
    return Probe(f"link {guest}", f"{ask}\nifconfig", _link)


def _link(answer: Answer) -> Link | str:
    first, _, rest = answer.text.partition("\n")
    if not first.strip():
        return "the guest's agent says no address: it is not running, or still booting"
    try:
        return ifconfig.link(rest, first.strip())
    except ifconfig.LinkError as error:
        return str(error)
