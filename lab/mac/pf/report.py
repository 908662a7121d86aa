"""`pfctl -s …`: which parts of pf are shown, and under which titles. Source: pfctl(8)."""

from __future__ import annotations

import sys
from collections.abc import Callable

from . import show
from .environment import Environment
from .kernel import Kernel
from .netfilter import read_counters
from .options import Options

_ALL = ("nat", "rules", "dummynet", "states", "info", "labels", "memory", "Tables")


class NoAnchorError(Exception):
    """There is no such anchor; the message is what pfctl prints."""


def report(kernel: Kernel, options: Options, what: str, environment: Environment) -> list[str]:
    """Lines that `pfctl -s what` prints. Raises NoAnchorError for `-s Anchors` below nothing."""
    if options.verbose or what in {"all", "info", "labels"}:
        read_counters(kernel)
    sections = _sections(kernel, options, environment)
    if what != "all":
        return sections[what][1]() if what in sections else []
    lines: list[str] = []
    for name in _ALL:
        title, section = sections[name]
        found = section()
        lines += [title, *found, ""] if found else []
    return lines


def _sections(
    kernel: Kernel, options: Options, environment: Environment
) -> dict[str, tuple[str, Callable[[], list[str]]]]:
    shower = show.Shower(kernel, options.verbose, recurse=options.recurse)

    def rules(*kinds: str) -> Callable[[], list[str]]:
        return lambda: _rules(shower, kernel, options.anchor, kinds)

    def anchors() -> list[str]:
        if not kernel.exists(options.anchor):
            raise NoAnchorError(f"Anchor '{options.anchor}' not found.")
        return shower.anchors(options.anchor)

    return {
        "nat": ("TRANSLATION RULES:", rules(*show.NAT_KINDS)),
        "rules": ("FILTER RULES:", rules(*show.RULE_KINDS)),
        "dummynet": ("DUMMYNET RULES:", rules("dummynet")),
        "states": ("STATES:", show.state_lines),
        "info": ("INFO:", lambda: show.info(kernel, verbose=options.verbose)),
        "labels": ("LABEL COUNTERS:", lambda: shower.labels(options.anchor)),
        "memory": ("LIMITS:", lambda: show.limits(kernel)),
        "Tables": ("TABLES:", lambda: shower.tables(options.anchor)),
        "Anchors": ("", anchors),
        "References": ("", lambda: show.references(kernel)),
        "Interfaces": (
            "",
            lambda: show.interfaces(kernel, environment.interfaces(), verbose=options.verbose),
        ),
    }


def _rules(shower: show.Shower, kernel: Kernel, path: str, kinds: tuple[str, ...]) -> list[str]:
    if not kernel.exists(path):
        sys.stderr.write("pfctl: DIOCGETRULES: Invalid argument\n")
        return []
    return shower.rules(path, kinds)
