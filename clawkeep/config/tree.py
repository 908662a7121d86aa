"""YAML as a tree that knows where each of its parts stands.

Built from PyYAML's events, so that nesting is bounded, aliases are never followed, and duplicate
keys are seen. Problems that do not stop the reading are collected on the way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml import events as ev

from clawkeep.config.problem import ConfigError, Mark, Problem
from clawkeep.config.scalar import TrapError, Value, meaning
from clawkeep.config.syntax import explain

DEEPEST = 20


@dataclass(slots=True)
class Node:
    """A scalar, a list or a mapping. `bad` means that its problem has already been reported."""

    mark: Mark
    value: Value | list[Node] | dict[str, Entry] = None
    bad: bool = False

    def plain(self) -> Any:
        """Return the value as plain Python data."""
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        if isinstance(self.value, dict):
            return {key: entry.node.plain() for key, entry in self.value.items()}
        return self.value


@dataclass(slots=True)
class Entry:
    """A key of a mapping: where the key stands, and its value."""

    mark: Mark
    node: Node


@dataclass(slots=True)
class _Reader:
    name: str
    events: Iterator[ev.Event]
    problems: list[Problem] = field(default_factory=list)

    def report(self, mark: Mark, message: str) -> None:
        self.problems.append(Problem(self.name, message, mark))

    def document(self) -> Node | None:
        """Read the one document; None when there is nothing in it."""
        found: list[Node] = []
        for event in self.events:
            if isinstance(event, ev.DocumentStartEvent):
                if found:
                    self.report(_mark(event), "a second document begins here; keep one (no ---)")
                    break
                found.append(self.node(next(self.events), 0))
        return found[0] if found else None

    def node(self, event: ev.Event, depth: int) -> Node:
        mark = _mark(event)
        if depth > DEEPEST:
            problem = Problem(self.name, f"nested deeper than {DEEPEST} levels; flatten it", mark)
            raise ConfigError((*self.problems, problem))
        if isinstance(event, ev.AliasEvent):
            self.report(mark, f"aliases (*{event.anchor}) are not supported; write the value out")
            return Node(mark, bad=True)
        bad = self._decorated(event, mark)
        if isinstance(event, ev.ScalarEvent):
            node = self._scalar(event, mark)
        elif isinstance(event, ev.SequenceStartEvent):
            node = Node(mark, self._items(depth))
        else:
            node = Node(mark, self._entries(depth))
        node.bad = node.bad or bad
        return node

    def _decorated(self, event: Any, mark: Mark) -> bool:
        """Report an anchor or a tag; both change what a text means without showing it there."""
        if event.anchor:
            self.report(mark, f"anchors (&{event.anchor}) are not supported; remove it")
        if event.tag is not None:
            self.report(mark, f"tags ({event.tag}) are not supported; remove it")
        return event.tag is not None

    def _scalar(self, event: ev.ScalarEvent, mark: Mark) -> Node:
        plain = event.style is None and event.tag is None
        try:
            return Node(mark, meaning(event.value, plain=plain))
        except TrapError as trap:
            self.report(mark, str(trap))
            return Node(mark, bad=True)

    def _items(self, depth: int) -> list[Node]:
        items = []
        while not isinstance(event := next(self.events), ev.SequenceEndEvent):
            items.append(self.node(event, depth + 1))
        return items

    def _entries(self, depth: int) -> dict[str, Entry]:
        entries: dict[str, Entry] = {}
        while not isinstance(event := next(self.events), ev.MappingEndEvent):
            key = self.node(event, depth + 1)
            value = self.node(next(self.events), depth + 1)
            if key.bad:
                continue
            if not isinstance(key.value, str):
                self.report(key.mark, "a key must be a word")
            elif first := entries.get(key.value):
                message = f"key {key.value!r} stands here twice (first in line {first.mark.line})"
                self.report(key.mark, f"{message}; remove one")
            else:
                entries[key.value] = Entry(key.mark, value)
        return entries


def _mark(event: ev.Event) -> Mark:
    start = event.start_mark
    return Mark(start.line + 1, start.column + 1) if start else Mark(1, 1)


def read_tree(text: str, name: str) -> tuple[Node | None, list[Problem]]:
    """Read YAML; return the top of its tree (None when empty) and the problems met on the way.

    Raises ConfigError when the text is no YAML, or nested without measure. `name` is the file's
    name in the problems.
    """
    reader = _Reader(name, yaml.parse(text, Loader=yaml.SafeLoader))
    try:
        return reader.document(), reader.problems
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # PyYAML lets ValueError and OverflowError out for escapes beyond Unicode ("\\UFFFFFFFF").
        raise ConfigError((*reader.problems, *explain(error, text, name))) from error
