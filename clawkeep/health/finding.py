"""What one look found about one layer, and what stands after several."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from clawkeep.agent.report import ILL, UNKNOWN, WELL
from clawkeep.health.causes import BLAME, CAUSES, LAYERS
from clawkeep.onhost.plain import plain
from clawkeep.verdict import Verdict

BAD_LOOKS: Final = 2
GOOD_LOOKS: Final = 2
BLIND_LOOKS: Final = 3
"""Looks in a row that turn a layer ill, well again, and unknown."""

WORDS: Final = {WELL: "well", ILL: "ill", UNKNOWN: "unknown"}
VERDICTS: Final = {word: verdict for verdict, word in WORDS.items()}


@dataclass(frozen=True, slots=True)
class Finding:
    """One layer at one moment. `cause` is a name of CAUSES, "" unless the layer is ill."""

    layer: str
    verdict: Verdict
    value: str
    evidence: str = ""
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """A layer after several looks. `since` and `seen` are moments of the host's clock.

    `finding` is what is believed, `last` what was seen last; `last` has been as it is for `count`
    looks, since `began`. `seen` is when the layer was last seen at all.
    """

    finding: Finding
    since: float
    seen: float
    last: Finding
    count: int
    began: float

    def as_data(self) -> dict[str, Any]:
        """Return it as plain data."""
        data = _data(self.finding)
        return {
            **data, "since": self.since, "seen": self.seen, "count": self.count,
            "began": self.began, "last": _data(self.last),
        }  # fmt: skip


def settle(before: Standing | None, found: Finding, now: float) -> Standing:
    """Return what stands after one more look.

    Ill counts after `BAD_LOOKS` and its cause's patience, well after `GOOD_LOOKS`, and what nobody
    could see is unknown after `BLIND_LOOKS`. The first look of all is believed when it is well.
    """
    seen = now if found.verdict is not UNKNOWN else before.seen if before else 0.0
    if before is None:
        first = found if found.verdict is not ILL else _doubt(found)
        return Standing(first, now, seen, found, 1, now)
    same = (before.last.verdict, before.last.cause) == (found.verdict, found.cause)
    count = before.count + 1 if same else 1
    began = before.began if same else now
    believed = before.finding
    if (found.verdict, found.cause) == (believed.verdict, believed.cause):
        return Standing(found, before.since, seen, found, count, began)
    if _counts(found, count, now - began):
        return Standing(found, now, seen, found, count, began)
    if believed.verdict is UNKNOWN and found.verdict is UNKNOWN:
        believed = found
    return Standing(believed, before.since, seen, found, count, began)


def _counts(found: Finding, count: int, for_s: float) -> bool:
    if found.verdict is WELL:
        return count >= GOOD_LOOKS
    if found.verdict is UNKNOWN:
        return count >= BLIND_LOOKS
    return count >= BAD_LOOKS and for_s >= CAUSES[found.cause].patience_s


def _doubt(found: Finding) -> Finding:
    return replace(found, verdict=UNKNOWN, cause="")


def blamed(findings: Iterable[Finding]) -> Finding | None:
    """Return the ill finding that explains the others; None when nothing is ill."""
    ill = {finding.layer: finding for finding in findings if finding.verdict is ILL}
    return next((ill[layer] for layer in BLAME if layer in ill), None)


def pending(standings: Iterable[Standing]) -> bool:
    """Tell whether a layer was last seen otherwise than is believed: worth an early look."""
    return any(s.last.verdict is not s.finding.verdict for s in standings)


def parse(data: Any) -> Standing | None:
    """Read what `as_data` returned; None for anything else."""
    try:
        finding, last = _finding(data), _finding(data["last"])
        numbers = [float(data[name]) for name in ("since", "seen", "began")]
        since, seen, began = numbers
        return Standing(finding, since, seen, last, int(data["count"]), began)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _data(finding: Finding) -> dict[str, Any]:
    return {
        "layer": finding.layer, "verdict": WORDS[finding.verdict], "value": finding.value,
        "evidence": finding.evidence, "cause": finding.cause,
    }  # fmt: skip


def _finding(data: Mapping[str, Any]) -> Finding:
    layer, cause = str(data["layer"]), str(data["cause"])
    if layer not in LAYERS or (cause and cause not in CAUSES):
        raise ValueError(f"{layer}/{cause} is no layer and cause")
    verdict = VERDICTS[data["verdict"]]
    if (verdict is ILL) != bool(cause):
        raise ValueError(f"{layer} is ill without a cause, or has one and is not")
    return Finding(layer, verdict, plain(str(data["value"])), plain(str(data["evidence"])), cause)
