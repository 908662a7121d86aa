"""What an audit says: its verdict, its lines, JSON and JUnit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as Xml

from clawkeep.audit.check import Outcome, State
from clawkeep.audit.history import Drift
from clawkeep.verdict import Verdict

NO_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, however it is written."""

FEW = 3
JUNIT = {State.FAILED: "failure", State.UNKNOWN: "error", State.ACCEPTED: "skipped"}


@dataclass(frozen=True)
class Report:
    """One audit of one keep.

    Attributes:
        at: when, ISO 8601 in UTC.
        drift: by a check's name, what is known of it from audits before; see `history`.
        fixed: names of checks that are well again.
        error: why nobody could look at all.
        notices: what the operator should know of audit.yml, each with its place.
    """

    host: str
    guest: str
    at: str
    seconds: float
    round_trips: int
    outcomes: tuple[Outcome, ...]
    drift: dict[str, Drift]
    fixed: tuple[str, ...] = ()
    error: str = ""
    notices: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """What is certainly wrong comes first; ignorance is never well."""
        states = {outcome.state for outcome in self.outcomes}
        if State.FAILED in states:
            return Verdict.BAD
        if self.error or State.UNKNOWN in states or not states:
            return Verdict.UNKNOWN
        return Verdict.WELL

    def count(self, state: State) -> int:
        """Return how many checks ended so."""
        return sum(outcome.state is state for outcome in self.outcomes)

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return {
            "host": self.host,
            "guest": self.guest,
            "at": self.at,
            "seconds": round(self.seconds, 2),
            "round_trips": self.round_trips,
            "verdict": self.verdict.name.lower(),
            "error": self.error,
            "fixed": list(self.fixed),
            "notices": list(self.notices),
            "checks": [self._row(outcome) for outcome in self.outcomes],
        }

    def note(self, only: str | None = None) -> dict[str, Any]:
        """Return the audit's line in the journal: how it ended, and what changed by it."""
        found = {outcome.check.name: outcome.found for outcome in self.outcomes}
        counts = {str(state): self.count(state) for state in State}
        new = {name: found[name] for name, drift in self.drift.items() if drift.new}
        line = {"at": self.at, "verdict": self.verdict.name.lower(), **counts, "new": new}
        part = {"only": only} if only else {}
        return line | part | {"fixed": list(self.fixed), "error": self.error}

    @property
    def changed(self) -> bool:
        """Tell whether anything is otherwise than at the audit before."""
        return bool(self.error or self.fixed or any(drift.new for drift in self.drift.values()))

    def _row(self, outcome: Outcome) -> dict[str, Any]:
        check = outcome.check
        drift = self.drift.get(check.name)
        return {
            "name": check.name,
            "machine": str(check.machine),
            "kind": check.kind,
            "target": check.target,
            "state": str(outcome.state),
            "expected": check.says,
            "found": outcome.found,
            "accepted": outcome.why or None,
            "since": drift.since if drift else None,
            "last_well": drift.last_well if drift else None,
            "new": drift.new if drift else False,
        }

    def lines(self, *, everything: bool = False) -> Iterator[str]:
        """Yield the lines for a terminal: what differs, what cannot be told, what is well again.

        What cannot be told of many checks for the same reason is one line.
        """
        if self.error:
            yield f"?      {self.host}: {self.error}"
        yield from self._of(State.FAILED, "DRIFT")
        for same in self._untold():
            if len(same) > FEW:
                check = same[0].check
                yield f"?      {check.machine}: {len(same)} checks cannot be told: {same[0].found}"
            else:
                yield from (self._line("?", outcome) for outcome in same)
        yield from self._of(State.ACCEPTED, "KNOWN")
        if everything:
            yield from self._of(State.PASSED, "ok")
        yield from (f"NOTE   {notice}" for notice in self.notices)
        for name in self.fixed:
            yield f"FIXED  {name.replace('/', ' ', 2)}"

    def _of(self, state: State, word: str) -> Iterator[str]:
        return (self._line(word, outcome) for outcome in self.outcomes if outcome.state is state)

    def _untold(self) -> Iterable[list[Outcome]]:
        found: dict[tuple[str, str], list[Outcome]] = {}
        for outcome in self.outcomes:
            if outcome.state is State.UNKNOWN:
                found.setdefault((outcome.check.machine, outcome.found), []).append(outcome)
        return found.values()

    def _line(self, word: str, outcome: Outcome) -> str:
        check = outcome.check
        drift = self.drift.get(check.name)
        when = f"; {drift}" if drift else ""
        what = f"{word:6} {check.machine} {check.kind} {check.target}"
        if outcome.state is State.PASSED:
            return f"{what}: {outcome.found}"
        found = "cannot tell:" if outcome.state is State.UNKNOWN else "found"
        known = f"; accepted {outcome.why}" if outcome.why else ""
        return f"{what}: expected {check.says}; {found} {outcome.found}{when}{known}"

    def summary(self) -> str:
        """Return the last line, in words."""
        new = sum(drift.new for drift in self.drift.values())
        words = [
            f"{self.count(State.PASSED)} of {len(self.outcomes)} as declared",
            f"{self.count(State.FAILED)} differ" if self.count(State.FAILED) else "",
            f"{self.count(State.UNKNOWN)} cannot be told" if self.count(State.UNKNOWN) else "",
            f"{self.count(State.ACCEPTED)} accepted" if self.count(State.ACCEPTED) else "",
            f"{new} new since the last audit" if new else "",
            f"{len(self.fixed)} well again" if self.fixed else "",
        ]
        cost = f"{self.seconds:.1f} s, {self.round_trips} round trips"
        return f"{', '.join(word for word in words if word)} ({cost})"

    def junit(self) -> str:
        """Return the report as JUnit XML, a suite per machine.

        What differs is a failure, what cannot be told an error, what is accepted is skipped.
        """
        root = Xml.Element("testsuites", name="clawkeep audit")
        for machine in dict.fromkeys(outcome.check.machine for outcome in self.outcomes):
            mine = [one for one in self.outcomes if one.check.machine is machine]
            counts = {
                "tests": len(mine),
                "failures": sum(one.state is State.FAILED for one in mine),
                "errors": sum(one.state is State.UNKNOWN for one in mine),
                "skipped": sum(one.state is State.ACCEPTED for one in mine),
            }
            suite = Xml.SubElement(root, "testsuite", name=f"{self.host} {machine}")
            suite.set("timestamp", self.at)
            suite.set("time", f"{self.seconds:.3f}")
            for key, number in counts.items():
                suite.set(key, str(number))
            for one in mine:
                case = Xml.SubElement(
                    suite, "testcase", classname=f"{machine}.{one.check.kind}",
                    name=_clean(one.check.target), time="0",
                )  # fmt: skip
                if one.state is not State.PASSED:
                    kind = JUNIT[one.state]
                    said = Xml.SubElement(case, kind, message=_clean(one.why or one.found))
                    said.text = _clean(self._line(kind.upper(), one))
        Xml.indent(root)
        return Xml.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _clean(text: str) -> str:
    return NO_XML.sub("?", text)
