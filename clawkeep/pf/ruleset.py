"""All the rules that one pf evaluates, and how its anchors and tables are found.

Source: reference/macos.md §1.1 (wildcards walk direct children by name; tables are per anchor);
reference/pf-grammar.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from .address import TOP, network
from .rule import Address, Rule, Rules, Table
from .spans import Spans, complement, united, without

Tables = Mapping[str, Mapping[str, Iterable[str]]]
MAX_DEPTH = 64


class AnchorLoopError(ValueError):
    """Anchors refer to one another without end: nothing can be said about them."""


@dataclass(frozen=True)
class Ruleset:
    """The main ruleset, its anchors by path (`com.apple/000.clawkeep`), and tables.

    `tables` are what tables hold now, by the path of their anchor ("" is the main ruleset) and
    name; a table that is not in it holds what its `table` statement says, if that says it.
    Children of anchors are found by their paths, in the order of their names. An anchor that is
    missing is empty, as in pf.
    """

    main: Rules
    anchors: Mapping[str, Rules] = field(default_factory=dict)
    tables: Tables = field(default_factory=dict)

    def referenced(self, path: str, rule: Rule) -> Iterator[tuple[str, Rules]]:
        """Yield path and rules of what an `anchor` rule in the anchor `path` evaluates, in order.

        Raises AnchorLoopError.
        """
        if len(path) - len(path.replace("/", "")) > MAX_DEPTH:
            raise AnchorLoopError(f"anchors are nested too deeply in {path}")
        name = rule.anchor or f"_{rule.line}"
        full = name[1:] if name.startswith("/") else f"{path}/{name}" if path else name
        if full == "*" or full.endswith("/*"):
            parent = full[:-1]
            for child in self._children(parent):
                yield child, self.anchors.get(child, Rules())
        elif rule.body is not None:
            yield full, self.anchors.get(full, rule.body)
        else:
            yield full, self.anchors.get(full, Rules())

    def _children(self, parent: str) -> list[str]:
        below = {one[len(parent) :].split("/")[0] for one in self.anchors if one.startswith(parent)}
        return [f"{parent}{name}" for name in sorted(below - {""})]

    def entries(self, path: str, name: str) -> tuple[str, ...] | None:
        """Return what the table `name` holds, seen from the anchor `path`; None if unknown.

        It is the anchor's own table, else the main ruleset's.
        """
        for place in dict.fromkeys((path, "")):
            given = self.tables.get(place, {}).get(name)
            if given is not None:
                return tuple(given)
            declared = self._declared(place, name)
            if declared is not None:
                return declared.entries if declared.known else None
        return None

    def _declared(self, path: str, name: str) -> Table | None:
        rules = self.anchors.get(path, Rules()) if path else self.main
        return next((one for one in rules.tables if one.name == name), None)

    def spans(self, path: str, address: Address, family: str) -> Spans | None:
        """Return the addresses of `family` that an address of a rule stands for; None if unknown.

        Raises ValueError for an entry of a table that is no network.
        """
        match address.kind:
            case "any":
                return ((0, TOP[family]),)
            case "net" | "range":
                of_family = address.family == family
                found: Spans | None = ((address.low, address.high),) if of_family else ()
            case "table":
                found = self._table(path, address.name, family)
            case _:
                found = None
        if found is not None and address.negated:
            return complement(found, TOP[family])
        return found

    def _table(self, path: str, name: str, family: str) -> Spans | None:
        entries = self.entries(path, name)
        if entries is None:
            return None
        networks = [(network(one.lstrip("! ")), one.startswith("!")) for one in entries]
        found: Spans = ()
        # The longest prefix that holds an address decides, so the widest networks come first.
        for (of, low, high), negated in sorted(
            networks, key=lambda one: (one[0][1] - one[0][2], one[1])
        ):
            if of == family:
                span = ((low, high),)
                found = without(found, span) if negated else united((*found, *span))
        return found
