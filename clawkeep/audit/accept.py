"""audit.yml: findings that the operator knows, each until a day and for a reason.

What is accepted is what was found, not the check: as soon as anything else is found there, it is
red again, and so it is after the day. What a promise of the security model rests on can never be
accepted, nor can a check that could not be made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from clawkeep import declared
from clawkeep.audit.check import Check, Machine, Outcome, State
from clawkeep.config.message import unknown_key
from clawkeep.config.problem import ConfigError, Mark, Problem
from clawkeep.config.source import read_text, refuse_unseen
from clawkeep.config.tree import Node, read_tree
from clawkeep.onhost.plain import plain

FILE: Final = "audit.yml"
"""Beside allowlist.yml; there need be none."""

KEYS: Final = ("check", "found", "until", "because")
LONGEST: Final = timedelta(days=90)
LEAST: Final = 4
"""Letters of `found` beside its stars: less would accept nearly anything."""

REASON: Final = 10

FIRM_KINDS: Final = frozenset({"rules", "grants", "reach", "policy"})
FIRM: Final = re.compile(
    r"host/(?:file|folder|secret|nothing-else)/(?:/opt/clawkeep|/etc/pf)"
    r"|host/.*(?:softnet|com\.nanoclaw\.(?:guard|canary|alerts))",
)
"""Names of what holds the guest, and of what watches that: pf, Softnet, the guard, root's programs
with which it works."""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """One finding that is known: `found` may have a `*` for what changes.

    It holds through the whole day `until`, by this machine's calendar.
    """

    check: str
    found: str
    until: date
    because: str
    place: str

    def holds(self, outcome: Outcome, today: date) -> bool:
        """Tell whether exactly this was found, on a day that is covered."""
        pattern = ".*".join(re.escape(part) for part in self.found.split("*"))
        return today <= self.until and bool(re.fullmatch(pattern, outcome.found, re.DOTALL))

    @property
    def words(self) -> str:
        """Say until when and why."""
        return f"until {self.until}: {self.because}"


@dataclass(frozen=True, slots=True)
class Accepted:
    """All of them, at one day."""

    rows: tuple[Acceptance, ...] = ()
    today: date = date.min
    path: str = FILE

    def allowed(self, checks: Sequence[Check]) -> None:
        """Raise ConfigError when one is of a check that can never be accepted."""
        resting = {name for check in checks for name in check.expected.get("on", ())}
        problems = [
            _problem(row, why)
            for row in self.rows
            if (why := _firm(row.check) or (PROMISE if row.check in resting else ""))
        ]
        if problems:
            raise ConfigError(tuple(problems))

    def applied(self, outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
        """Yield the outcomes; what was found and is known is accepted, with until when and why."""
        for outcome in outcomes:
            rows = [row for row in self.rows if row.check == outcome.check.name]
            held = [row for row in rows if row.holds(outcome, self.today)]
            if held and outcome.state is State.FAILED:
                yield replace(outcome, state=State.ACCEPTED, why=held[0].words)
            else:
                yield outcome

    def notices(self, checks: Sequence[Check], outcomes: Iterable[Outcome]) -> Iterator[str]:
        """Yield what the operator should know of their own file: `FILE:LINE:COLUMN: …`."""
        names = {check.name for check in checks}
        ended = {outcome.check.name: outcome for outcome in outcomes}
        for row in self.rows:
            if row.check not in names:
                near = get_close_matches(row.check, names, 1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                yield f"{row.place}: there is no check {row.check!r}{hint}"
                continue
            outcome = ended.get(row.check)
            if outcome is None:
                continue
            if outcome.state is State.PASSED:
                yield f"{row.place}: {row.check} is as declared; this is needed no more"
            elif outcome.state is State.FAILED and row.until < self.today:
                yield f"{row.place}: {row.check} was accepted until {row.until}; that is over"
            elif outcome.state is State.FAILED:
                yield f"{row.place}: {row.check}: something else was found than is accepted here"


PROMISE: Final = "a promise of the security model rests on it"


def _firm(name: str) -> str:
    """Say why a check can never be accepted, "" when it may be."""
    machine, _, rest = name.partition("/")
    kind = rest.partition("/")[0]
    if machine == Machine.KEEP or kind in FIRM_KINDS or FIRM.match(name):
        return "it is about what holds the guest, or about who watches that"
    return ""


def _problem(row: Acceptance, why: str) -> Problem:
    path, line, column = row.place.rsplit(":", 2)
    text = f"check: {row.check} cannot be accepted: {why}; mend it, or change the declaration"
    return Problem(path, text, Mark(int(line), int(column)))


def here() -> Accepted:
    """Return what the project accepts today, by the operator's own calendar. Raises ConfigError."""
    return load(declared.allowlist().parent, datetime.now().astimezone().date())


def load(folder: Path, today: date) -> Accepted:
    """Read audit.yml in `folder`, none when there is none. Raises ConfigError with all problems."""
    path = folder / FILE
    return parse(read_text(path), str(path), today) if path.exists() else Accepted()


def parse(text: str, name: str, today: date) -> Accepted:
    """Read it from `text`; `name` is the file's in the problems. Raises ConfigError."""
    refuse_unseen(text, name)
    top, problems = read_tree(text, name)
    reader = _Reader(name, problems, today)
    rows = reader.rows(top)
    if problems:
        raise ConfigError(tuple(problems))
    return Accepted(tuple(rows), today, name)


class _Reader:
    """The checks of one file; what they find is added to `problems`."""

    def __init__(self, name: str, problems: list[Problem], today: date) -> None:
        self.name, self.problems, self.today = name, problems, today

    def report(self, mark: Mark, text: str) -> None:
        self.problems.append(Problem(self.name, text, mark))

    def rows(self, top: Node | None) -> list[Acceptance]:
        """Return all acceptances that are whole."""
        found: dict[tuple[str, str], Acceptance] = {}
        for node in self.listed(top):
            row = self.row(node)
            if row is None:
                continue
            if first := found.get((row.check, row.found)):
                self.report(node.mark, f"the same is accepted at {first.place}; remove one")
            found.setdefault((row.check, row.found), row)
        return list(found.values())

    def listed(self, top: Node | None) -> list[Node]:
        """Return the list under `accepted`."""
        if top is None or top.bad or top.value is None:
            return []
        if not isinstance(top.value, dict):
            self.report(top.mark, "a mapping with the key `accepted` is expected here")
            return []
        for key, entry in top.value.items():
            if key != "accepted":
                self.report(entry.mark, unknown_key(key, ["accepted"]))
        node = top.value["accepted"].node if "accepted" in top.value else Node(top.mark)
        if isinstance(node.value, list):
            return node.value
        if node.value is not None and not node.bad:
            self.report(node.mark, "accepted: a list is expected here")
        return []

    def row(self, node: Node) -> Acceptance | None:
        if not isinstance(node.value, dict):
            if not node.bad:
                self.report(node.mark, f"a mapping with {', '.join(KEYS)} is expected here")
            return None
        for key, entry in node.value.items():
            if key not in KEYS:
                self.report(entry.mark, unknown_key(key, KEYS))
        texts = {key: self.text(node, key) for key in KEYS}
        until = self.until(node, texts["until"]) if texts["until"] else None
        if until is None or not all(texts.values()):
            return None
        if why := _firm(texts["check"]):
            text = f"check: {texts['check']} cannot be accepted: {why}; mend it"
            self.report(node.value["check"].node.mark, text)
        if len(texts["found"].replace("*", "").strip()) < LEAST:
            text = f"found: at least {LEAST} letters of what the audit found are expected"
            self.report(node.value["found"].node.mark, text)
        if len(texts["because"]) < REASON:
            text = f"because: a reason of at least {REASON} letters is expected"
            self.report(node.value["because"].node.mark, text)
        place = f"{self.name}:{node.mark.line}:{node.mark.column}"
        return Acceptance(
            texts["check"], texts["found"], until, plain(texts["because"], 300), place
        )

    def text(self, node: Node, key: str) -> str:
        if not isinstance(node.value, dict) or key not in node.value:
            self.report(node.mark, f"key `{key}` is missing")
            return ""
        value = node.value[key].node
        if isinstance(value.value, str) and value.value.strip():
            return value.value.strip()
        if not value.bad:
            self.report(value.mark, f"{key}: text is expected here")
        return ""

    def until(self, node: Node, text: str) -> date | None:
        mark = node.value["until"].node.mark if isinstance(node.value, dict) else node.mark
        try:
            found = date.fromisoformat(text)
        except ValueError:
            self.report(mark, f"until: {text!r} is no day; expected one such as {self.today}")
            return None
        last = self.today + LONGEST
        if found > last:
            text = f"until: at most {LONGEST.days} days ahead, so until {last}; then look again"
            self.report(mark, text)
            return None
        return found
