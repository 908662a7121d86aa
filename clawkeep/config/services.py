"""allowlist.yml -> services, or all that is wrong with it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from clawkeep.config.certificate import certificate_problem
from clawkeep.config.message import guess_key, message, unknown_key
from clawkeep.config.problem import ConfigError, Mark, Problem
from clawkeep.config.source import read_text, refuse_unseen
from clawkeep.config.tree import Entry, Node, read_tree
from clawkeep.model import Host, Service, Target, conflicts

GUEST_NETWORK = Host().guest_network
TOP_KEYS = ("services", "$schema")
MOST = 500


def load_services(path: Path, guests: IPv4Network = GUEST_NETWORK) -> tuple[Service, ...]:
    """Read the allowlist at `path`; return its services in the order of the file.

    `guests` is the network of the guest, into which no service may lead. Raises ConfigError
    with every problem of the file, and nothing else, whatever the file holds.
    """
    return parse_services(read_text(path), str(path), guests, beside=path.parent)


def parse_services(
    text: str,
    name: str = "allowlist.yml",
    guests: IPv4Network = GUEST_NETWORK,
    *,
    beside: Path | None = None,
) -> tuple[Service, ...]:
    """Read an allowlist from `text`; `name` is the file's name in the problems.

    With `beside`, a directory, the certificate files named by `ca` are checked there too.
    Raises ConfigError, as `load_services` does.
    """
    refuse_unseen(text, name)
    top, problems = read_tree(text, name)
    check = _Check(name, problems, beside)
    services = check.services(check.entries(top), guests)
    if check.problems:
        raise ConfigError(tuple(check.problems))
    return services


class _Check:
    """The checks of one file, and what they found."""

    def __init__(self, name: str, problems: list[Problem], beside: Path | None) -> None:
        self.name = name
        self.problems = problems
        self.beside = beside

    def report(self, mark: Mark | None, text: str) -> None:
        self.problems.append(Problem(self.name, text, mark))

    def entries(self, top: Node | None) -> list[Node]:
        """Return the list under `services`, or nothing after saying what is wrong."""
        if top is None or (top.value is None and not top.bad):
            self.report(None, "is empty; write `services: []` if no door is to be opened")
            return []
        if not isinstance(top.value, dict):
            if not top.bad:
                self.report(top.mark, "a mapping with the key `services` is expected here")
            return []
        self._known_keys(top.value, TOP_KEYS)
        schema = top.value.get("$schema")
        if schema and not schema.node.bad and not isinstance(schema.node.value, str):
            self.report(schema.node.mark, "$schema: text is expected here")
        entry = top.value.get("services")
        if entry is None:
            if not any(guess_key(key, TOP_KEYS) == "services" for key in top.value):
                self.report(top.mark, "key `services` is missing; add it")
            return []
        return self._list(entry.node)

    def _list(self, node: Node) -> list[Node]:
        if isinstance(node.value, list):
            if len(node.value) > MOST:
                self.report(node.value[MOST].mark, f"services: has more than {MOST} entries")
            return node.value[:MOST]
        if not node.bad:
            self.report(
                node.mark,
                "services: a list is expected here, each entry beginning with a hyphen; "
                "write [] if no door is to be opened",
            )
        return []

    def services(self, nodes: list[Node], guests: IPv4Network) -> tuple[Service, ...]:
        """Validate each entry, then all of them against each other."""
        services = [service for node in nodes if (service := self._service(node))]
        comparable = [_comparable(node) for node in nodes]
        for conflict in conflicts(comparable, guests):
            text = f"{conflict.key}: {conflict.message}"
            if conflict.first is not None:
                line = _value(nodes[conflict.first], conflict.key).mark.line
                text += f" (line {line}); take another"
            self.report(_value(nodes[conflict.index], conflict.key).mark, text)
        return tuple(services)

    def _service(self, node: Node) -> Service | None:
        if node.bad:
            return None
        guessed: set[str] = set()
        if isinstance(node.value, dict):
            guessed = self._known_keys(node.value, Service.model_fields)
        nothing = self._without_value(node)
        try:
            service = Service.model_validate(_known(node, Service.model_fields))
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                if not (detail["loc"] and detail["loc"][0] in nothing):
                    self._invalid(node, detail, guessed)
            return None
        if text := self._certificate(service):
            self.report(_value(node, "ca").mark, f"ca: {text}")
        return service

    def _certificate(self, service: Service) -> str | None:
        if service.ca and self.beside:
            return certificate_problem(self.beside / service.ca)
        return None

    def _known_keys(self, entries: dict[str, Entry], known: Iterable[str]) -> set[str]:
        """Report the unknown keys of a mapping; return the known ones that were probably meant."""
        known = list(known)
        guessed = set()
        for key, entry in entries.items():
            if key not in known:
                self.report(entry.mark, unknown_key(key, known))
                guessed.add(guess_key(key, known) or "")
        return guessed

    def _without_value(self, node: Node) -> set[str]:
        """Report keys without a value, which would silently mean the default."""
        if not isinstance(node.value, dict):
            return set()
        found = set()
        for key, entry in node.value.items():
            if key in Service.model_fields and entry.node.value is None and not entry.node.bad:
                self.report(entry.mark, f"{key}: has no value; write one, or remove the line")
                found.add(key)
        return found

    def _invalid(self, node: Node, detail: ErrorDetails, guessed: set[str]) -> None:
        key = str(detail["loc"][0]) if detail["loc"] else ""
        where = _value(node, key)
        if where.bad or (detail["type"] == "missing" and key in guessed):
            return
        subject = f"key `{key}`" if detail["type"] == "missing" else f"{key}:"
        self.report(where.mark, f"{subject} {message(detail)}" if key else message(detail))


def _value(node: Node, key: str) -> Node:
    """Return the value of `key` in a mapping, or the mapping itself when it has none."""
    if isinstance(node.value, dict) and key in node.value:
        return node.value[key].node
    return node


def _known(node: Node, known: Iterable[str]) -> Any:
    plain = node.plain()
    return {k: v for k, v in plain.items() if k in set(known)} if isinstance(plain, dict) else plain


def _comparable(node: Node) -> dict[str, Any]:
    """Return what can be compared of an entry, however wrong the rest of it is."""
    plain = node.plain()
    if not isinstance(plain, dict):
        return {}
    found: dict[str, Any] = {}
    if isinstance(plain.get("name"), str):
        found["name"] = plain["name"]
    if type(plain.get("port")) is int:
        found["port"] = plain["port"]
    if isinstance(plain.get("target"), str):
        with contextlib.suppress(ValueError):
            found["target"] = Target.parse(plain["target"])
    return found
