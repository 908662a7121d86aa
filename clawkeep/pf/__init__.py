"""pf's rules as they are: read, evaluated for a packet, and proved for all packets.

`parse_rules` reads what is written or what `pfctl -sr` prints; `Ruleset` puts the main ruleset, its
anchors and tables together; `evaluate` says what happens to one packet, and why; `prove` compares
all that passes on an interface with the flows that are declared, and gives a packet for each
difference; `passing` lists all that passes. `disturbing` finds translation rules, and `skipped`
names of `set skip`, that would make such a proof worth nothing. Nothing here touches a file, a
clock or the network.

Source: reference/pf-grammar.md; reference/macos.md §1.
"""

from .errors import PfSyntaxError
from .evaluation import Match, Verdict, evaluate
from .flow import Flow
from .interfaces import skipped
from .packet import Packet
from .parse import parse_rules
from .proof import Difference, Proof, passing, prove
from .rule import Rule, Rules
from .ruleset import AnchorLoopError, Ruleset
from .translation import disturbing

__all__ = [
    "AnchorLoopError",
    "Difference",
    "Flow",
    "Match",
    "Packet",
    "PfSyntaxError",
    "Proof",
    "Rule",
    "Rules",
    "Ruleset",
    "Verdict",
    "disturbing",
    "evaluate",
    "parse_rules",
    "passing",
    "prove",
    "skipped",
]
