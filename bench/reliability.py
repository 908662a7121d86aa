"""Writes the table of faults in docs/explain/reliability.md: `python -m bench.reliability`.

The rows are those of bench/reliability.json, which the tests themselves write (`tests.recording`):

    CLAWKEEP_FAULTS=bench/reliability.json pytest tests/lab/test_health.py

A row whose test failed last, or is no longer there, ends it with exit status 1, as does a row of
the matrix that no test shows and that is not said to be untried. With `--check` nothing is
written; exit status 1 then also when the page is not what the record says.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.fault_matrix import NOT_TRIED, ROWS

CHECKOUT = Path(__file__).resolve().parents[1]
RESULTS = CHECKOUT / "bench" / "reliability.json"
MUTATION = CHECKOUT / "bench" / "mutation.json"
PAGE = CHECKOUT / "docs" / "explain" / "reliability.md"
BEGIN = "<!-- faults: written by python -m bench.reliability -->"
END = "<!-- end of faults -->"
IDLE = 1.0
"""A load before the tests, from which on something else was at work."""

AGAIN = (
    " Some of the tests were written for what this very draw had shown, and the faults that had "
    "been missed were then tried again: another draw may find a little less."
)

HEAD = ("fault", "what says it, or what holds", "seen after", "mended by", "after", "lost", "test")


def problems(
    results: Mapping[str, Any], not_tried: Mapping[str, str] = NOT_TRIED, root: Path = CHECKOUT
) -> Iterator[str]:
    """Yield why these results are no table."""
    shown = set()
    for name, row in results["rows"].items():
        file, _, test = row["test"].partition("::")
        path, function = root / file, test.partition("[")[0]
        if row["of"] not in ROWS:
            yield f"{name}: the matrix has no row {row['of']}"
        if row["passed"] is not True:
            yield f"{name}: its test failed: {row['test']}"
        elif not path.is_file() or f"def {function}(" not in path.read_text(encoding="utf-8"):
            yield f"{name}: there is no such test: {row['test']}"
        else:
            shown.add(row["of"])
    for key, heading in ROWS.items():
        if key not in shown and key not in not_tried:
            yield f"{heading}: no test has shown it, and nothing says why"


def table(results: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of the table, in the matrix's order, and in each row the quickest first."""
    yield f"| {' | '.join(HEAD)} |"
    yield "| --- | --- | --: | --- | --: | --: | --- |"
    rows = sorted(results["rows"].values(), key=lambda r: (r["detected_s"] or 0, r["fault"]))
    for key, heading in ROWS.items():
        mine = [row for row in rows if row["of"] == key]
        if mine:
            yield f"| **{heading}** | | | | | | |"
        for row in mine:
            lost = "-" if row["lost"] is None else str(row["lost"])
            times = _seconds(row["detected_s"]), _seconds(row["mended_s"])
            test = f"`{Path(row['test'].partition('::')[0]).stem}`"
            words = row["fault"], row["says"], times[0], row["repair"] or "-", times[1], lost, test
            yield f"| {' | '.join(word.replace('|', chr(92) + '|') for word in words)} |"


def conditions(results: Mapping[str, Any]) -> str:
    """Say when and beside what it was measured."""
    rows = results["rows"].values()
    days = sorted({row["when"] for row in rows})
    loads = sorted(row["load"] for row in rows if row["detected_s"] or row["mended_s"]) or [0.0]
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    beside = (
        "nothing else was at work"
        if loads[-1] < IDLE
        else f"beside other work (load {loads[0]} to {loads[-1]} before the tests), so times are "
        "longer than they need be"
    )
    return (
        f"{len(rows)} faults, measured {when} in the lab on {max(r['cores'] for r in rows)} "
        f"shared cores, one run each; {beside}."
    )


def tested(figures: Mapping[str, Any]) -> Iterator[str]:
    """Yield what mutation testing found."""
    tried, noticed = figures["tried"], figures["noticed"]
    which = "all" if tried == figures["of"] else f"{tried} drawn by chance"
    yield (
        f"Mutation testing of clawkeep/render and clawkeep/pf, {figures['when']}: of "
        f"{figures['of']} small faults that `bench.mutants` knows, {which} were planted one at a "
        f"time; the unit tests noticed {noticed} ({100 * noticed / tried:.1f} %). Those that no "
        f"test noticed are listed in bench/mutation.json." + (AGAIN if figures.get("again") else "")
    )


def _seconds(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1f} s" if value < 10 else f"{value:.0f} s"


def body(results: Mapping[str, Any], mutation: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield all that stands between the marks."""
    yield from (conditions(results), "", *table(results), "")
    if NOT_TRIED:
        yield from ("Not tried:", "")
        yield from (f"- {ROWS[key]}: {why}" for key, why in NOT_TRIED.items())
        yield ""
    if mutation:
        yield from (*tested(mutation), "")


def page(text: str, lines: Sequence[str]) -> str:
    """Return the page with these lines. Raises ValueError without its marks."""
    before, found, rest = text.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not (found and ended):
        raise ValueError(f"{PAGE} has no place for the table: {BEGIN} … {END}")
    return f"{before}{BEGIN}\n\n{chr(10).join(lines)}\n{END}{after}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args(arguments)
    text, results = PAGE.read_text(encoding="utf-8"), json.loads(RESULTS.read_text())
    if found := list(problems(results)):
        print("\n".join(found), file=sys.stderr)
        return 1
    mutation = json.loads(MUTATION.read_text()) if MUTATION.exists() else None
    made = page(text, list(body(results, mutation)))
    if options.check:
        return int(made != text)
    PAGE.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
