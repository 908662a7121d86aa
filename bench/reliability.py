"""Writes the table of faults in docs/explain/reliability.md: `python -m bench.reliability`.

The figures are those of bench/reliability.json, which the tests of the fault matrix write:

    CLAWKEEP_FAULTS=bench/reliability.json pytest tests/lab/test_health.py

With `--check` nothing is written; exit status 1 when the table is not what the figures say.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]
RESULTS = CHECKOUT / "bench" / "reliability.json"
PAGE = CHECKOUT / "docs" / "explain" / "reliability.md"
BEGIN = "<!-- faults: written by python -m bench.reliability -->"
END = "<!-- end of faults -->"


def table(results: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of the table: only what was measured, slowest detection last."""
    rows = sorted(results["rows"].values(), key=lambda row: (row["detected_s"] or 0, row["fault"]))
    when, cores = results["when"], results["cores"]
    yield f"Measured {when} in the lab on {cores} shared cores, one run each."
    yield ""
    yield "| fault | what the watcher says | detected after | repair | well again after | lost |"
    yield "| --- | --- | --: | --- | --: | --: |"
    for row in rows:
        words = (
            row["fault"], row["cause"], _seconds(row["detected_s"]), row["repair"],
            _seconds(row["mended_s"]), "-" if row["lost"] is None else str(row["lost"]),
        )  # fmt: skip
        yield f"| {' | '.join(words)} |"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} s"


def page(text: str, results: Mapping[str, Any]) -> str:
    """Return the page with the table of these results. Raises ValueError without its marks."""
    before, found, rest = text.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not (found and ended):
        raise ValueError(f"{PAGE} has no place for the table: {BEGIN} … {END}")
    return f"{before}{BEGIN}\n\n{chr(10).join(table(results))}\n\n{END}{after}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args(arguments)
    text = PAGE.read_text(encoding="utf-8")
    made = page(text, json.loads(RESULTS.read_text()))
    if options.check:
        return int(made != text)
    PAGE.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
