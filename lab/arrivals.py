"""How many packets came through: counters on the lab's interfaces, for tests of isolation.

A server's log says what was asked of it; these also see what no server answers: UDP and ICMP to any
port, fragments, other protocols, IPv6 (not ARP: only IP packets are counted).
"""

import itertools
import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

from lab.state import LabError

_numbers = itertools.count(1)

# Before defragmentation (-400), so that each fragment counts.
_ARRIVING = "hook prerouting priority -450"
# After pf: what it let through to the machine's own sockets.
_DELIVERED = "hook input priority 500"
PLACES = {
    "internet": ("eth0", _ARRIVING),
    "lan": ("lan0", _ARRIVING),
    "host": ("bridge*", _DELIVERED),
    "guest": ("en0", _ARRIVING),
}


@dataclass(frozen=True)
class Arrivals:
    """A running count, from `Lab.arrivals`. Ends with its context, or with the machine's boot."""

    nft: Sequence[str]
    table: str

    @property
    def packets(self) -> int:
        """Return how many there were so far. Raises LabError when the count is gone."""
        listed = json.loads(_nft(self.nft, ["-j", "list", "table", "inet", self.table]))
        rules = [entry["rule"] for entry in listed["nftables"] if "rule" in entry]
        return next(int(e["counter"]["packets"]) for e in rules[0]["expr"] if "counter" in e)

    def close(self) -> None:
        """Stop counting."""
        _nft(self.nft, ["delete", "table", "inet", self.table])

    def __enter__(self) -> "Arrivals":
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()


def count(nft: Sequence[str], place: str, match: str) -> Arrivals:
    """Start counting at a place of `PLACES`; `nft` is the command line of nft in there.

    `match` is nft's own expression, as `ip protocol udp`. Raises LabError.
    """
    interface, hook = PLACES[place]
    table = f"lab_arrivals_{os.getpid()}_{next(_numbers)}"
    script = f"""\
table inet {table} {{
    chain count {{
        type filter {hook}; policy accept;
        iifname "{interface}" {match} counter
    }}
}}
"""
    _nft(nft, ["-f", "-"], script)
    return Arrivals(nft, table)


def _nft(nft: Sequence[str], words: Sequence[str], text: str = "") -> str:
    done = subprocess.run([*nft, *words], input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"nft: {done.stderr.strip()}")
    return done.stdout
