"""The whole table, as text for one `nft -f`: it replaces the former one, or nothing happens."""

from __future__ import annotations

from ..environment import Environment
from ..kernel import Kernel
from ..rules import Rule
from .filter import FilterChains, refusal, state_chains
from .sets import set_text
from .translate import TranslationChains

TABLE = "inet lab_pf"
ABSENT = f"table {TABLE} {{}}\ndelete table {TABLE}\n"


class _Sets:
    """Gives each table seen by a rule its set; a table that does not exist is an empty one."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._names: dict[tuple[str, str, str], str] = {}

    def set_name(self, path: str, table: str, af: str) -> str:
        key = (path, table, af)
        return self._names.setdefault(key, f"t{len(self._names)}")

    def lines(self) -> list[str]:
        lines: list[str] = []
        for (path, table, af), name in self._names.items():
            found = self._kernel.table(path, table) or {"entries": []}
            lines += set_text(name, found["entries"], af)
        return lines


def program(kernel: Kernel, environment: Environment) -> str:
    """Text for `nft -f -` that makes the namespace do what pf's present state means."""
    if not kernel.enabled:
        return ABSENT
    sets = _Sets(kernel)
    chains: list[FilterChains | TranslationChains] = [
        FilterChains(kernel, False, sets, environment),
        FilterChains(kernel, True, sets, environment),
        TranslationChains(kernel, "nat", sets, environment),
        TranslationChains(kernel, "rdr", sets, environment),
    ]
    lines: list[str] = []
    serials: set[int] = set()
    for one in chains:
        one.build()
        lines += one.lines
        serials |= one.serials
    body = [*_counters(kernel, serials), *sets.lines(), *_refused(), *state_chains(serials), *lines]
    return ABSENT + "\n".join([f"table {TABLE} {{", *body, "}"]) + "\n"


def _counters(kernel: Kernel, serials: set[int]) -> list[str]:
    lines: list[str] = []
    for serial in sorted(serials):
        evaluations, packets, size = kernel.counters.get(str(serial), [0, 0, 0])
        lines += [
            f"counter e{serial} {{ packets {evaluations} bytes 0; }}",
            f"counter p{serial} {{ packets {packets} bytes {size}; }}",
        ]
    return lines


def _refused() -> list[str]:
    """Refuse, before translation, what a `block return out` has dropped after it."""
    lines: list[str] = []
    for version, kind in (("4", "ipv4_addr"), ("6", "ipv6_addr")):
        lines += [
            f"set refused{version} {{",
            f"type {kind} . {kind} . inet_proto . inet_service",
            "flags dynamic,timeout",
            "timeout 5s",
            "size 4096",
            "}",
        ]
    lines += ["chain refuse {", *refusal(Rule("block", returns="return")), "}"]
    ported = "meta l4proto { tcp, udp }"
    for hook in ("output", "forward"):
        lines += [
            f"chain refuse_{hook} {{",
            f"type filter hook {hook} priority 90; policy accept;",
            f"{ported} ip saddr . ip daddr . meta l4proto . th dport @refused4 goto refuse",
            f"{ported} ip6 saddr . ip6 daddr . meta l4proto . th dport @refused6 goto refuse",
            "}",
        ]
    return lines
