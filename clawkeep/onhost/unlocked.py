"""Whether pf is right, told without the host's lock: for when somebody holds it for too long."""

from __future__ import annotations

from clawkeep import expected
from clawkeep.ifconfig import LinkError
from clawkeep.ifconfig import link as link_at
from clawkeep.link import Link
from clawkeep.onhost import guests
from clawkeep.onhost.situation import Record, Situation, link_of
from clawkeep.policy import Openings
from clawkeep.render import anchor as render
from clawkeep.seen import Seen

#: What is declared and does not pass yet harms nobody: whoever has the lock may be opening it.
MISSING = "must pass and does not"


def wrong(seen: Seen, now: Situation, record: Record, bridges: str, hold: str) -> str:
    """Say what passes that must not at this moment, "" when nothing does; only looks.

    `record` is the last one, whoever made it, and `bridges` is `guests.interfaces()`. `hold` says
    why everything must be closed, "" when it need not be.
    """
    if left := seen.lacks("\n".join(seen.doors), render.wall()):
        return left[0]
    if words := guests.unheld(bridges):
        return words
    link = None if hold or now.cut is not None or now.policy is None else _there(record, bridges)
    openings = now.openings if link is not None else Openings()
    found = expected.differences(seen, openings, link)
    return next((one for one in found if not one.startswith(MISSING)), "")


def _there(record: Record, bridges: str) -> Link | None:
    """Return the link of a guest that is served, None when its bridge is not as it was."""
    link = link_of(record)
    if link is None or record.state != "open":
        return None
    try:
        return link if link_at(bridges, str(link.guest)) == link else None
    except LinkError:
        return None
