"""Puts both sides beside each other: what each layer says, and whether they agree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import IntEnum
from itertools import zip_longest
from typing import Any

from clawkeep.explain.question import Question
from clawkeep.explain.walk import Answer, Leg

WORDS = {True: "allowed", False: "refused", None: "cannot tell"}


class Outcome(IntEnum):
    """The exit status of `clawkeep explain`."""

    AGREED = 0
    DISAGREED = 1
    UNKNOWN = 2


@dataclass(frozen=True)
class Explanation:
    """A question and its answers. `live` is None offline, or when no guest runs (`absent`)."""

    question: Question
    declared: Answer
    live: Answer | None
    notes: tuple[str, ...] = ()
    absent: bool = False

    @property
    def differences(self) -> tuple[str, ...]:
        """A sentence for each layer that says something else live than declared."""
        return tuple(dict.fromkeys(self._differences())) if self.live is not None else ()

    def _differences(self) -> Iterator[str]:
        live = self.live.legs if self.live else ()
        for one, other in zip_longest(self.declared.legs, live):
            if one is None or other is None:
                yield "the two sides do not ask about the same packets"
                continue
            said = {step.layer: step for step in other.steps}
            unread = {step.layer for step in other.steps if step.says == "unknown"}
            for step in one.steps:
                found = said.pop(step.layer, None)
                if found is None and step.layer.partition(",")[0] in unread:
                    continue
                if found is None:
                    yield f"{step.layer}: declared {step.says}, and there is none live"
                elif found.says not in {step.says, "unknown"}:
                    says = f"{step.says} as declared, {found.says} live"
                    yield f"{step.layer} {says}: {found.words}"
            yield from (f"{layer}: live only, {step.says}" for layer, step in said.items())

    @property
    def outcome(self) -> Outcome:
        """What is certain comes first: a difference, then ignorance."""
        if self.differences:
            return Outcome.DISAGREED
        if self.absent or self.declared.allowed is None:
            return Outcome.UNKNOWN
        if self.live is None:
            return Outcome.AGREED
        unread = any(step.says == "unknown" for leg in self.live.legs for step in leg.steps)
        return Outcome.UNKNOWN if unread else Outcome.AGREED

    def as_json(self) -> dict[str, Any]:
        """Return plain data: `allowed` is true, false or null, per side and as a whole."""
        sides = {"declared": self.declared, "live": self.live}
        answer = self.live or self.declared
        return {
            "question": str(self.question),
            "allowed": answer.allowed,
            "outcome": self.outcome.name.lower(),
            **{name: _side(side) if side else None for name, side in sides.items()},
            "differences": list(self.differences),
            "notes": [*self.notes, *self.declared.notes],
        }

    def lines(self, *, verbose: bool = False) -> Iterator[str]:
        """Yield the lines for a terminal; `verbose` adds every pf rule that matched.

        Labels and names come from the host: nothing in them reaches the terminal as a control.
        """
        for line in self._lines(verbose=verbose):
            yield "".join(letter if letter.isprintable() else "?" for letter in line)

    def _lines(self, *, verbose: bool) -> Iterator[str]:
        yield str(self.question)
        for name, side in (("declared", self.declared), ("live", self.live)):
            if side is not None:
                yield ""
                yield f"{name}: {_verdict(side)}"
                for leg in side.legs:
                    yield from _leg(leg, verbose=verbose)
        notes = (*self.notes, *self.declared.notes)
        if notes or self.differences:
            yield ""
        yield from (f"DIFFERS  {text}" for text in self.differences)
        yield from (f"note: {text}" for text in notes)

    @property
    def summary(self) -> str:
        """One sentence: the answer, and how far it is to be believed."""
        answer = WORDS[(self.live or self.declared).allowed]
        if self.outcome is Outcome.DISAGREED:
            declared = WORDS[self.declared.allowed]
            if declared == answer:
                return f"{answer}, but not by all layers that are declared: the two do NOT agree"
            return f"{answer} at this moment, {declared} as declared: the two do NOT agree"
        if self.outcome is Outcome.UNKNOWN:
            return f"cannot tell how it is live; {WORDS[self.declared.allowed]} as declared"
        if self.live is None:
            return f"{answer} as declared; nothing live was asked"
        return f"{answer}, as declared and live"


def _side(answer: Answer) -> dict[str, Any]:
    return {
        "allowed": answer.allowed,
        "legs": [
            {
                "about": leg.about,
                "flow": str(leg.flow),
                "allowed": {"passes": True, "refuses": False, "unknown": None}[leg.says],
                "steps": [asdict(step) for step in leg.steps],
            }
            for leg in answer.legs
        ],
    }


def _verdict(answer: Answer) -> str:
    deciders = dict.fromkeys(leg.decider.layer for leg in answer.legs if leg.decider)
    by = f" by {' and '.join(deciders)}" if answer.allowed is False and deciders else ""
    return f"{WORDS[answer.allowed]}{by}"


def _leg(leg: Leg, *, verbose: bool) -> Iterator[str]:
    yield f"  {leg.flow}  ({leg.about})"
    width = max(len(step.layer) for step in leg.steps)
    for step in leg.steps:
        yield f"    {step.layer:{width}}  {step.says:7}  {step.words}"
        if step.by and (step.counts or verbose):
            yield f"    {'':{width}}           {step.by}"
        if verbose:
            yield from (f"    {'':{width}}             matched {text}" for text in step.trail)
