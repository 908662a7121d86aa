"""`pfctl -F …` and `-k …`: what they remove and what they say.

Source: reference/macos.md §1.3 (`-F all` fails open: com.apple/* is no longer referred to).
"""

from __future__ import annotations

from . import show
from .environment import Environment
from .kernel import Kernel
from .netfilter import kill
from .parser.addresses import literal, lookup
from .parser.context import Context

_KINDS = {"rules": show.RULE_KINDS, "nat": show.NAT_KINDS, "dummynet": ("dummynet",)}


class UnknownHostError(Exception):
    """A host to kill the states of cannot be resolved; the message is what pfctl prints."""


def flush(kernel: Kernel, anchor: str, what: str) -> list[str]:
    """Flush `what`; `all` of an anchor is its rules and tables, of the main ruleset everything."""
    steps = [what]
    if what == "all":
        steps = ["rules", "nat", "dummynet", "Tables"]
        steps += [] if anchor else ["states", "Sources", "info", "interfaces"]
    said = [_one(kernel, anchor, step) for step in steps]
    kernel.forget_empty()
    return [line for line in said if line]


def _one(kernel: Kernel, anchor: str, step: str) -> str:
    if step in _KINDS:
        for kind in _KINDS[step]:
            kernel.anchors.setdefault(anchor, {}).pop(kind, None)
        return f"{step} cleared"
    if step == "Tables":
        return f"{len(kernel.tables.pop(anchor, {}))} tables deleted."
    if step == "states":
        return f"{kill()} states cleared"
    if step == "interfaces":
        kernel.data["skip"] = []
        return "pf: interface flags reset"
    known = {"Sources": "source tracking entries cleared", "info": "pf: statistics cleared"}
    return known.get(step, "")


def kill_states(words: list[str], environment: Environment) -> str:
    """Kill the states from the first host to the second, if there is one."""
    ends = [_networks(word, environment) for word in words]
    targets: list[str | None] = [*ends[1]] if len(ends) > 1 else [None]
    killed = sum(
        kill(source, target)
        for source in ends[0]
        for target in targets
        if target is None or (":" in source) == (":" in target)
    )
    known = len(ends[1]) if len(ends) > 1 else 0
    return f"killed {killed} states from {len(ends[0])} sources and {known} destinations"


def _networks(word: str, environment: Environment) -> list[str]:
    stem, slash, bits = word.partition("/")
    found = literal(stem, int(bits) if slash and bits.isdigit() else None)
    found = found or lookup(Context("", "", environment, {}, ""), word)
    if not found:
        raise UnknownHostError("getaddrinfo: nodename nor servname provided, or not known")
    return [f"{one.first}/{one.bits}" for one in found]
