"""One check, as data: where, what kind of thing, which one, and how it must be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Machine(StrEnum):
    """Where a check looks; `keep` is about both machines, from other checks' results."""

    HOST = "host"
    GUEST = "guest"
    KEEP = "keep"


@dataclass(frozen=True)
class Check:
    """A thing of one kind that must be as expected.

    Attributes:
        kind: which look judges it, such as `file` or `job`.
        target: what it is called, the same on every machine: part of the check's name.
        says: what is expected, in words.
        expected: what the look needs to judge it; plain values.
        unknown: why nobody can tell what is expected; "" when it is known.
    """

    machine: Machine
    kind: str
    target: str
    says: str
    expected: Mapping[str, Any] = field(default_factory=dict)
    unknown: str = ""

    @property
    def name(self) -> str:
        """The check's name, by which its results are compared over time."""
        return f"{self.machine}/{self.kind}/{self.target}"


class State(StrEnum):
    """How a check ended. That nobody could tell is never a pass.

    What is accepted differs from the declaration, and the operator knows it.
    """

    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"
    ACCEPTED = "accepted"


@dataclass(frozen=True)
class Outcome:
    """A check with what was found, in words; `why` says until when it is accepted, and why."""

    check: Check
    state: State
    found: str
    why: str = ""
