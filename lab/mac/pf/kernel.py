"""The "kernel": what pf holds between two runs of pfctl. A JSON file, gone at boot.

Source: reference/pf-grammar.md (-E / -X); reference/macos.md §1.2 (rules do not survive a reboot);
xnu bsd/net/pf_if.c (`set skip` names an interface, or all by what comes before their number).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from typing import Any

from .rules import KINDS, Rule, rule_from_json

STATE_VARIABLE = "LAB_PF_STATE"
STATE = "/private/var/run/pf.kernel.json"
MAX_SERIAL = 0x7FFF

Ruleset = dict[str, list[dict[str, Any]]]


def boot_identity() -> str:
    """Name this boot: by the start of process 1 and the network namespace."""
    with open("/proc/1/stat", encoding="utf-8", errors="replace") as file:
        started = file.read().rpartition(")")[2].split()[19]
    return f"{started} {os.readlink('/proc/self/ns/net')}"


def state_path() -> str:
    """Where the state is kept; tests may move it with LAB_PF_STATE."""
    return os.environ.get(STATE_VARIABLE, STATE)


class Kernel:
    """pf's state. `data` is plain JSON; everything else gives it a shape."""

    def __init__(self, data: dict[str, Any] | None = None) -> None:
        self.data: dict[str, Any] = data or {}
        if not data:
            self.reset()

    def reset(self) -> None:
        """Become what pf is at boot: disabled, without rules."""
        self.data = {
            "boot": boot_identity(),
            "enabled": False,
            "since": 0.0,
            "tokens": [],
            "anchors": {"": {}},
            "tables": {},
            "options": {},
            "skip": [],
            "serial": 0,
            "counters": {},
            "sharing": {},
        }

    @property
    def enabled(self) -> bool:
        """Whether pf looks at packets."""
        return bool(self.data["enabled"])

    @property
    def tokens(self) -> list[dict[str, Any]]:
        """The references that `-E` gave out."""
        tokens: list[dict[str, Any]] = self.data["tokens"]
        return tokens

    @property
    def anchors(self) -> dict[str, Ruleset]:
        """Rulesets by anchor path; the main ruleset is ""."""
        anchors: dict[str, Ruleset] = self.data["anchors"]
        return anchors

    @property
    def tables(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Tables by anchor path and name: {"const", "persist", "entries"}."""
        tables: dict[str, dict[str, dict[str, Any]]] = self.data["tables"]
        return tables

    @property
    def counters(self) -> dict[str, list[int]]:
        """[evaluations, packets, bytes] by a rule's serial, as last read."""
        counters: dict[str, list[int]] = self.data["counters"]
        return counters

    def rules(self, path: str, kind: str) -> list[Rule]:
        """Rules of one kind in one anchor."""
        return [rule_from_json(one) for one in self.anchors.get(path, {}).get(kind, [])]

    def set_rules(self, path: str, kind: str, rules: list[Rule]) -> None:
        """Replace the rules of one kind in one anchor; new rules get a serial."""
        for rule in rules:
            if not rule.serial:
                rule.serial = self._next_serial()
        self.anchors.setdefault(path, {})[kind] = [rule.to_json() for rule in rules]

    def exists(self, path: str) -> bool:
        """Whether there is an anchor of this path: it, or one below it, holds something."""
        return path == "" or any(
            one == path or one.startswith(f"{path}/") for one in [*self.anchors, *self.tables]
        )

    def children(self, path: str) -> list[str]:
        """Names of the anchors directly below `path`, in the order pf walks them."""
        prefix = f"{path}/" if path else ""
        names = {
            one[len(prefix) :].split("/")[0]
            for one in [*self.anchors, *self.tables]
            if one.startswith(prefix) and one != path and one
        }
        return sorted(names)

    def table(self, path: str, name: str) -> dict[str, Any] | None:
        """Find the table a rule in `path` means: the anchor's own, else the main ruleset's."""
        return self.tables.get(path, {}).get(name) or self.tables.get("", {}).get(name)

    def interfaces(self, there: list[str]) -> list[str]:
        """Name what pf knows, in its order: interfaces, those that a rule names, and ALL."""
        named = {
            str(rule["interface"])
            for sets in self.anchors.values()
            for rule in _all(sets)
            if rule.get("interface")
        }
        return sorted({"ALL", *there, *named, *self.data["skip"]})

    def skip(self, names: list[str], there: list[str]) -> None:
        """Look no more at the interfaces of these names: `bridge` is every bridgeN there is now."""
        for known in self.interfaces(there):
            for name in names:
                rest = known.removeprefix(name)
                every = rest != known and not name[-1:].isdigit() and rest[:1].isdigit()
                if (known == name or every) and known not in self.data["skip"]:
                    self.data["skip"].append(known)

    def forget_empty(self) -> None:
        """Drop anchors that hold nothing, as the kernel does."""
        for path in [one for one in self.anchors if one]:
            if not any(self.anchors[path].get(kind) for kind in KINDS):
                del self.anchors[path]
        for path in list(self.tables):
            if not self.tables[path]:
                del self.tables[path]
        live = {str(rule["serial"]) for sets in self.anchors.values() for rule in _all(sets)}
        self.data["counters"] = {k: v for k, v in self.counters.items() if k in live}

    def _next_serial(self) -> int:
        used = {rule.get("serial") for sets in self.anchors.values() for rule in _all(sets)}
        serial = int(self.data["serial"])
        while True:
            serial = serial % MAX_SERIAL + 1
            if serial not in used:
                self.data["serial"] = serial
                return serial


def _all(ruleset: Ruleset) -> Iterator[dict[str, Any]]:
    for rules in ruleset.values():
        yield from rules


@contextlib.contextmanager
def locked() -> Iterator[Kernel]:
    """Hold pf's lock and give its state. Save it with `save` before leaving."""
    path = state_path()
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(f"{path}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            with open(path, encoding="utf-8") as file:
                kernel = Kernel(json.load(file))
        except (OSError, ValueError):
            kernel = Kernel()
        if kernel.data.get("boot") != boot_identity():
            kernel.reset()
        yield kernel


def save(kernel: Kernel) -> None:
    """Write the state, whole or not at all. Call with the lock held."""
    path = state_path()
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        json.dump(kernel.data, file, separators=(",", ":"))
    os.replace(f"{path}.new", path)
