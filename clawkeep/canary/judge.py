"""The verdict on one run: pure, and the same whichever way the guest was reached.

The guest may be hostile, with root: its answer is text that is believed only where the host's own
evidence agrees. What the host cannot see, a guest can still hide: a service that answers it. Such
a hole is for the proof of the rules; the canary finds enforcement that does not happen. Missing,
doubled or foreign results are never green (reference/peers.md D.2).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from clawkeep.canary.plan import DENY, LABEL
from clawkeep.canary.probe import ANSWER, SILENCE, Plan, Probe
from clawkeep.onhost.plain import plain

GREEN, DEGRADED, RED, ABSENT = "green", "degraded", "red", "absent"
MAX_EVIDENCE = 160
HEADER = '{"nonce"'

ANSWERED, SILENT, BROKEN, MISSING = "answered", "silent", "error", "missing"


@dataclass(frozen=True, slots=True)
class Witness:
    """What the host saw during a run.

    `grown` are packets by label (`counters.grown`), None when the counts prove nothing. `touched`
    says who reached a decoy. `unable` says what the host itself could not do.
    """

    grown: Mapping[str, int] | None
    touched: tuple[str, ...] = ()
    unable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One probe, what was expected and what came."""

    name: str
    expected: str
    outcome: str
    evidence: str
    ms: int | None
    nonce: str


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one run; `as_data` is what the guard and `--json` read.

    `leaks`: something was reached that is not declared. `unable`: it cannot be told. `failed`:
    something declared does not answer. `reached`: the guest's program ran at all.
    """

    verdict: str
    leaks: tuple[str, ...] = ()
    unable: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    probes: tuple[Row, ...] = ()
    counters: Mapping[str, int] = field(default_factory=dict)
    nonce: str = ""
    reached: bool = False

    @property
    def status(self) -> int:
        """Return the exit status: 0 green, 1 leak or degraded, 2 cannot tell."""
        if self.verdict == GREEN:
            return 0
        return 1 if self.leaks or self.verdict == DEGRADED else 2

    def as_data(self, **more: Any) -> dict[str, Any]:
        """Return the result as JSON values; `more` are time, way and addresses of the run."""
        return {**more, **asdict(self)}


def unable(why: str, notes: tuple[str, ...] = ()) -> Result:
    """Return the result of a run that could not take place."""
    return Result(RED, unable=(plain(why, MAX_EVIDENCE),), notes=notes)


def judge(plan: Plan, text: str, witness: Witness) -> Result:
    """Return the verdict. `text` is whatever the guest's program printed."""
    rows, complaints = _rows(plan, text)
    leaks = (
        *(
            f"{r.name}: {r.evidence}"
            for r in rows
            if (r.expected, r.outcome) == (SILENCE, ANSWERED)
        ),
        *witness.touched,
    )
    failed = (
        f"{r.name}: {r.evidence}" for r in rows if (r.expected, r.outcome) == (ANSWER, SILENT)
    )
    cannot = (*witness.unable, *complaints, *_broken(rows), *_unconfirmed(plan, rows, witness))
    failures = tuple(failed)
    return Result(
        verdict=RED if leaks or cannot else DEGRADED if failures else GREEN,
        leaks=leaks,
        unable=cannot,
        failed=failures,
        notes=plan.notes,
        probes=rows,
        counters=dict(witness.grown or {}),
        nonce=plan.nonce,
        reached=any(row.outcome != MISSING for row in rows),
    )


def _rows(plan: Plan, text: str) -> tuple[tuple[Row, ...], tuple[str, ...]]:
    """Match the guest's results with the probes, each exactly once; and what does not fit."""
    answer, complaint = _answer(plan, text)
    if answer is None:
        return tuple(_row(probe, None) for probe in plan.probes), (complaint,)
    known = {probe.nonce for probe in plan.probes}
    found: dict[str, dict[str, Any]] = {}
    odd = 0
    for result in answer:
        nonce = result.get("nonce") if isinstance(result, dict) else None
        if not isinstance(nonce, str) or nonce not in known or nonce in found:
            odd += 1
        else:
            found[nonce] = result
    complaints = (f"the guest's answer holds {odd} results that nobody asked for",) if odd else ()
    return tuple(_row(probe, found.get(probe.nonce)) for probe in plan.probes), complaints


def _answer(plan: Plan, text: str) -> tuple[list[Any] | None, str]:
    lines = [line for line in text.splitlines() if line.startswith(HEADER)]
    if len(lines) != 1:
        seen = plain(text.strip()[-MAX_EVIDENCE:], MAX_EVIDENCE) or "nothing"
        return None, f"the guest's program did not answer: {seen}"
    try:
        data = json.loads(lines[0])
    except (ValueError, RecursionError):
        return None, "the guest's program answered no JSON"
    results = data.get("results") if isinstance(data, dict) else None
    if not isinstance(results, list) or data.get("nonce") != plan.nonce:
        return None, "the guest answered something else than this run's questions"
    return results, ""


def _row(probe: Probe, result: Mapping[str, Any] | None) -> Row:
    if result is None:
        return Row(probe.name, probe.expected, MISSING, "no result", None, probe.nonce)
    answered, ms = result.get("answered"), result.get("ms")
    outcome = ANSWERED if answered is True else SILENT if answered is False else BROKEN
    sane = isinstance(ms, int) and not isinstance(ms, bool) and 0 <= ms < 1_000_000
    evidence = plain(str(result.get("evidence", "")), MAX_EVIDENCE)
    return Row(probe.name, probe.expected, outcome, evidence, ms if sane else None, probe.nonce)


def _broken(rows: tuple[Row, ...]) -> Iterator[str]:
    missing = [row.name for row in rows if row.outcome == MISSING]
    if missing and len(missing) < len(rows):
        yield f"no result of {len(missing)} probes: {', '.join(missing[:5])}"
    for row in rows:
        if row.outcome == BROKEN:
            yield f"{row.name}: the probe broke: {row.evidence}"


def _unconfirmed(plan: Plan, rows: tuple[Row, ...], witness: Witness) -> Iterator[str]:
    """Yield where the guest's word lacks the host's evidence, or nothing shows a path at all."""
    reached = [row for row in rows if row.outcome != MISSING]
    if not reached:
        return
    grown = witness.grown
    if grown is None:
        yield "pf's counters prove nothing: the rules were loaded anew during the run"
        return
    rules = {probe.nonce: probe.rule for probe in plan.probes}
    asked = sum(1 for row in rows if rules[row.nonce] == DENY and row.outcome == SILENT)
    refused = sum(grown.get(label, 0) for label in (DENY, f"{LABEL}kill"))
    if refused < asked:
        yield (
            f"the guest's word is not confirmed: it says that {asked} connections to the gateway "
            f"were refused, pf refused {refused} packets"
        )
    for row in rows:
        rule = rules[row.nonce]
        if (row.expected, row.outcome) == (ANSWER, ANSWERED) and rule and not grown.get(rule):
            yield f"the guest's word is not confirmed: {row.name} answered, pf passed nothing to it"
    if not _path(rows, rules, grown):
        yield "no positive control: no door answered, and nothing came back from the gateway"


def _path(rows: tuple[Row, ...], rules: Mapping[str, str | None], grown: Mapping[str, int]) -> bool:
    """Tell whether packets of the guest do get to the host: otherwise its silence is no denial."""
    return grown.get(f"{LABEL}kill", 0) > 0 or any(
        (row.expected, row.outcome) == (ANSWER, ANSWERED)
        or (rules[row.nonce] == DENY and row.evidence == "refused" and grown.get(DENY, 0) > 0)
        for row in rows
    )
