"""What every phase leaves on the machines, as checks: the audit's expectation.

It is taken from where the phases themselves take it (the renderers, and each role's own lists of
files and jobs), so that nothing is declared twice; what there is is looked at elsewhere
(`clawkeep/audit`), and by other means than the converge: none of the hashes and marks by which a
run knows what an earlier one has done is read.
"""

from __future__ import annotations

from clawkeep.audit.check import Check
from clawkeep.audit.scene import Scene
from clawkeep.model import Keep
from roles.audit import agent, entries, guest, host, network, policy, skills


def checks(keep: Keep, scene: Scene) -> list[Check]:
    """Return every check of a keep, each name once. Raises OSError for a CA that is not there."""
    found = [
        *host.checks(keep, scene),
        *network.checks(keep, scene),
        *guest.checks(keep, scene),
        *agent.checks(keep, scene),
        *skills.checks(keep),
    ]
    found += policy.checks(keep, scene, found)
    return entries.together({check.name: check for check in found}.values())
