"""`pfctl -f`: a file becomes rulesets and tables, all of them or none.

Source: reference/pf-grammar.md (-a drops options; load anchor; paths of at most 63 bytes);
reference/macos.md §1.1 (a reload of an anchor resets its inline tables).
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from .compile import UncompilableError, refuse
from .environment import Environment
from .kernel import Kernel
from .parser import Parsed, parse
from .parser.tables import entry_text
from .printer import rule_text
from .rules import KINDS, Rule

MAX_ANCHOR_PATH = 63
FILTER, NAT, TABLES, OPTIONS = "filter", "nat", "tables", "options"
EVERYTHING = frozenset({FILTER, NAT, TABLES, OPTIONS})
_PART_OF = {"filter": FILTER, "scrub": FILTER, "dummynet": FILTER}


class LoadError(Exception):
    """The file was not loaded. `lines` is what pfctl says about it."""

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


@dataclass
class Loaded:
    """A file read and checked, with the anchors it loads. Nothing has been changed yet."""

    parts: list[tuple[str, Parsed]] = field(default_factory=list)


def read(
    path: str, content: str, anchor: str, environment: Environment, macros: dict[str, str]
) -> Loaded:
    """Parse a file and, when it is the main ruleset, the anchors it loads."""
    loaded = Loaded()
    name = "stdin" if path == "-" else path
    parsed = parse(content, name, environment, macros=macros, anchor=anchor)
    loaded.parts.append((anchor, parsed))
    if parsed.errors or anchor:
        return loaded
    for below, file in parsed.load_anchors:
        inner = environment.read_text(file)
        loaded.parts.append((below, parse(inner, file, environment, macros=macros, anchor=below)))
    return loaded


def check(loaded: Loaded) -> None:
    """Raise LoadError when the kernel would not take the rules."""
    for anchor, parsed in loaded.parts:
        for below, rules in parsed.rulesets.items():
            path = join(anchor, below)
            if rules and len(path) > MAX_ANCHOR_PATH:
                raise LoadError("pfctl: pfctl_add_rule: strlcpy")
            for rule in rules:
                _check_rule(rule)
        if parsed.options.get("state-policy") == "if-bound" and not anchor:
            raise LoadError("pfctl: DIOCADDRULE: Operation not supported by device")


def _check_rule(rule: Rule) -> None:
    try:
        refuse(rule)
    except UncompilableError as reason:
        raise LoadError(
            "pfctl: DIOCADDRULE: Operation not supported by device",
            f"pfctl: not enforced in the lab ({reason}): {rule_text(rule)}",
        ) from None


def join(anchor: str, below: str) -> str:
    """Path of the anchor `below` `anchor`."""
    return f"{anchor}/{below}" if anchor and below else anchor or below


def commit(
    kernel: Kernel,
    loaded: Loaded,
    environment: Environment,
    parts: frozenset[str] = EVERYTHING,
) -> None:
    """Put what was read into the kernel: whole rulesets are replaced.

    What was skipped is looked at again, unless the main ruleset says so anew.
    """
    for anchor, parsed in loaded.parts:
        if OPTIONS in parts and not anchor:
            kernel.data["options"].update(parsed.options)
            kernel.data["skip"] = []
            kernel.skip(parsed.skipped or [], environment.interfaces())
        _drop_inline(kernel, anchor)
        for below, rules in parsed.rulesets.items():
            path = join(anchor, below)
            for kind in KINDS:
                if _PART_OF.get(kind, NAT) in parts:
                    mine = [one for one in rules if one.kind == kind]
                    for rule in mine:
                        rule.uid, rule.pid = os.getuid(), os.getpid()
                    kernel.set_rules(path, kind, mine)
        if TABLES in parts:
            _commit_tables(kernel, anchor, parsed)
    kernel.forget_empty()


def _drop_inline(kernel: Kernel, anchor: str) -> None:
    # Anchors written inline belong to the ruleset being replaced.
    for rule in kernel.rules(anchor, "filter"):
        if rule.inline and rule.anchor:
            path = join(anchor, rule.anchor)
            for one in list(kernel.anchors):
                if one == path or one.startswith(f"{path}/"):
                    kernel.anchors[one].pop("filter", None)


def _commit_tables(kernel: Kernel, anchor: str, parsed: Parsed) -> None:
    tables = kernel.tables.setdefault(anchor, {})
    for name in [one for one in tables if not tables[one]["persist"]]:
        del tables[name]
    for one in parsed.tables:
        entries = list(dict.fromkeys(entry_text(entry) for entry in one.entries))
        kept = tables.get(one.name, {}).get("entries", []) if not one.initialised else []
        tables[one.name] = {
            "const": one.const,
            "persist": one.persist,
            "entries": entries if one.initialised else kept,
        }
