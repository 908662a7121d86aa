"""`pfctl -s …`: what pf holds, as text.

Source: reference/macos.md §1.1-1.3; reference/pf-grammar.md; pfctl(8).
"""

from __future__ import annotations

import time
from collections import Counter

from . import names
from .compile.states import IN_ORIGINAL, serials
from .kernel import Kernel
from .load import join
from .netfilter import State, states
from .printer import rule_text
from .rules import KINDS, Rule

RULE_KINDS = ("scrub", "filter")
NAT_KINDS = ("nat", "rdr", "binat")
_COUNTERS = (
    "match", "bad-offset", "fragment", "short", "normalize", "memory", "bad-timestamp",
    "congestion", "ip-option", "proto-cksum", "state-mismatch", "state-insert", "state-limit",
    "src-limit", "synproxy", "dummynet",
)  # fmt: skip


class Listing:
    """Prints rules; `verbose` is the number of -v given, from two on they are numbered."""

    def __init__(self, kernel: Kernel, verbose: int, *, recurse: bool = False) -> None:
        self._kernel = kernel
        self._verbose = verbose
        self._recurse = recurse

    def rules(self, path: str, kinds: tuple[str, ...], depth: int = 0) -> list[str]:
        """Rules of one anchor, inline anchors with their content."""
        lines: list[str] = []
        indent = "  " * depth
        for kind in kinds:
            for number, rule in enumerate(self._kernel.rules(path, kind)):
                # Only filter rules are shown with what their anchors hold.
                recurse = self._recurse and kind not in NAT_KINDS
                brace = rule.anchor is not None and (rule.anchor.startswith("_") or recurse)
                lines.append(indent + self._rule(path, rule, number) + (" {" if brace else ""))
                lines += self._counters(rule)
                if brace:
                    lines += self._inside(path, rule, kinds, depth)
                    lines.append(f"{indent}}}")
        return lines

    def _inside(self, path: str, rule: Rule, kinds: tuple[str, ...], depth: int) -> list[str]:
        full = join(path, rule.anchor or "")
        if not full.endswith("*"):
            return self.rules(full, kinds, depth + 1)
        parent = full.rstrip("*").rstrip("/")
        lines: list[str] = []
        for name in self._kernel.children(parent):
            lines += self.rules(join(parent, name), kinds, depth + 1)
        return lines

    def _rule(self, path: str, rule: Rule, number: int) -> str:
        if self._verbose < 2:
            return rule_text(rule)
        sizes: dict[str, int] = {}
        for one in (rule.source, rule.destination):
            table = self._kernel.table(path, one.first) if one.kind == "table" else None
            if table is not None:
                sizes[one.first] = len(table["entries"])
        return rule_text(rule, number, sizes)

    def _counters(self, rule: Rule) -> list[str]:
        """Lines below a rule; those of a file have none."""
        del rule
        return []


class Shower(Listing):
    """Prints parts of the kernel, with counters when verbose."""

    def __init__(self, kernel: Kernel, verbose: int, *, recurse: bool) -> None:
        super().__init__(kernel, verbose, recurse=recurse)
        self._states = Counter(
            serial for one in (states() if verbose else []) for _, serial in serials(one.mark)
        )

    def _counters(self, rule: Rule) -> list[str]:
        if not self._verbose:
            return []
        evaluations, packets, size = self._kernel.counters.get(str(rule.serial), [0, 0, 0])
        made = self._states[rule.serial]
        counts = f"Evaluations: {evaluations:<8d}  Packets: {packets:<8d}  Bytes: {size:<10d}"
        return [
            f"  [ {counts}  States: {made:<6d}]",
            f"  [ Inserted: uid {rule.uid} pid {rule.pid} ]",
        ]

    def labels(self, path: str) -> list[str]:
        """Labelled rules with their counters."""
        lines = []
        for rule in self._kernel.rules(path, "filter"):
            if rule.label:
                evaluations, packets, size = self._kernel.counters.get(str(rule.serial), [0, 0, 0])
                lines.append(f"{rule.label} {evaluations} {packets} {size} 0 0 0 0 0")
        return lines

    def anchors(self, path: str) -> list[str]:
        """Anchors below `path`: the direct ones, or all of them when verbose."""
        lines: list[str] = []
        for name in self._kernel.children(path):
            full = join(path, name)
            if not full.startswith("_") or self._verbose:
                lines.append(f"  {full}")
            if self._verbose:
                lines += self.anchors(full)
        return lines

    def tables(self, path: str) -> list[str]:
        """Names of an anchor's tables, with their flags when verbose."""
        lines: list[str] = []
        mine = self._kernel.tables.get(path, {})
        used = referenced_tables(self._kernel, path)
        for name in sorted({*mine, *used} if self._verbose else mine):
            table = mine.get(name)
            if not self._verbose:
                lines.append(name)
                continue
            flags = "".join(
                (
                    "c" if table and table["const"] else "-",
                    "p" if table and table["persist"] else "-",
                    "a" if table else "-",
                    "-",
                    "r" if name in used else "-",
                    "-",
                    "-",
                )
            )
            lines.append(f"{flags}\t{name}" + (f"\t{path}" if path else ""))
            if self._verbose > 1:
                lines.append(f"\tAddresses:   {len(table['entries']) if table else 0}")
        return lines


def referenced_tables(kernel: Kernel, path: str) -> set[str]:
    """Names of the tables that rules of an anchor use."""
    return {
        one.first
        for kind in KINDS
        for rule in kernel.rules(path, kind)
        for one in (rule.source, rule.destination)
        if one.kind == "table"
    }


def state_lines() -> list[str]:
    """List the states, one a line."""
    return [
        _state_line(one, incoming=bit == IN_ORIGINAL)
        for one in states()
        for bit, _ in serials(one.mark)
    ]


def _state_line(one: State, *, incoming: bool) -> str:
    source = _endpoint(one.source, one.source_port)
    target = _endpoint(one.target, one.target_port)
    seen = _endpoint(one.reply_target, one.reply_target_port)
    if incoming:
        path = f"{target} <- {source}"
    elif seen != source:
        path = f"{source} -> {seen} -> {target}"
    else:
        path = f"{source} -> {target}"
    detail = one.detail if ":" in one.detail else f"{one.detail}:{one.detail}"
    return f"ALL {one.proto} {path}       {detail}"


def _endpoint(address: str, port: int) -> str:
    if not port:
        return address
    return f"{address}[{port}]" if ":" in address else f"{address}:{port}"


def info(kernel: Kernel, *, verbose: int) -> list[str]:
    """`-s info`: whether pf is enabled, since when, and its counters."""
    status = "Status: Enabled" if kernel.enabled else "Status: Disabled"
    seconds = int(time.time() - kernel.data["since"]) if kernel.data["since"] else 0
    if kernel.data["since"]:
        status += f" for {_duration(seconds)}"
    matched = sum(counter[1] for counter in kernel.counters.values())
    searched = sum(counter[0] for counter in kernel.counters.values())
    level = kernel.data["options"].get("debug", "urgent").capitalize()
    lines = [f"{status:<44s}{f'Debug: {level}':>15s}", ""]
    if verbose:
        lines += ["Hostid:   0x00000001", "Checksum: 0x00000000000000000000000000000000", ""]
    lines.append(f"{'State Table':<27s} {'Total':>14s} {'Rate':>16s}")
    entries = len(state_lines())
    lines.append(f"  {'current entries':<25s} {entries:>14d} {'':>14s}")
    for name, value in (("searches", searched), ("inserts", entries), ("removals", 0)):
        lines.append(f"  {name:<25s} {value:>14d} {_rate(value, seconds)}")
    lines.append("Counters")
    for name in _COUNTERS:
        value = matched if name == "match" else 0
        lines.append(f"  {name:<25s} {value:>14d} {_rate(value, seconds)}")
    return lines


def _rate(value: int, seconds: int) -> str:
    return f"{value / seconds:14.1f}/s" if seconds > 0 else f"{'':>14s}"


def _duration(seconds: int) -> str:
    days, rest = divmod(seconds, 86400)
    return f"{days} days {rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}"


def references(kernel: Kernel) -> list[str]:
    """`-s References`: who holds pf enabled."""
    if not kernel.tokens:
        return ["No pf starter references"] if not kernel.enabled else ["TOKENS:"]
    lines = ["TOKENS:", f"{'PID':<8s} {'Process Name':<20s} {'TOKEN':<24s} {'TIMESTAMP':<25s}", ""]
    for one in kernel.tokens:
        age = _duration(int(time.time() - one["since"]))
        lines.append(f"{one['pid']:<8d} {one['name']:<20s} {one['token']:<24d} {age:<25s}")
    return lines


def interfaces(kernel: Kernel, there: list[str], *, verbose: int) -> list[str]:
    """`-s Interfaces`: what pf knows by name; when verbose, also what it skips."""
    skipped = kernel.data["skip"] if verbose else []
    return [f"{n} (skip)" if n in skipped else n for n in kernel.interfaces(there)]


def limits(kernel: Kernel) -> list[str]:
    """`-s memory`: the hard limits."""
    options = kernel.data["options"]
    return [
        f"{name:<13s} hard limit {int(options.get(f'limit {name}', default)):>8d}"
        for name, default in names.LIMITS.items()
    ]
