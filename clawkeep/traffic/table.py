"""Rows as a table for people and as JSON for programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from clawkeep.traffic.rows import Row
from clawkeep.traffic.spans import clock

HEAD = ("time", "service", "peer", "target", "duration", "verdict", "detail")


def as_json(row: Row) -> dict[str, Any]:
    """Return a row as JSON values; `time` stays Unix seconds."""
    return asdict(row)


def table(rows: Iterable[Row]) -> list[str]:
    """Return rows as aligned lines with a head; times are the host's local time."""
    return columns(HEAD, [_cells(row) for row in rows])


def columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return cells as aligned lines."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
        for cells in (head, *rows)
    ]


def _cells(row: Row) -> tuple[str, ...]:
    service = f"pf {row.service}" if row.source == "pf" else row.service
    many = "" if row.count == 1 or row.source == "pf" else f"x {row.count}"
    detail = " ".join(part for part in (many, row.detail) if part)
    return (
        clock(row.time),
        service,
        row.peer or "-",
        row.target or "-",
        duration(row.duration_ms),
        row.verdict,
        detail,
    )


def duration(ms: int | None) -> str:
    """Return a duration as people read it: `12 ms`, `3.4 s`, `5 m 02 s`, `3 h 07 m`."""
    if ms is None:
        return "-"
    if ms < 1000:
        return f"{ms} ms"
    if ms < 60_000:
        return f"{ms / 1000:.1f} s"
    minutes, seconds = divmod(ms // 1000, 60)
    if minutes < 60:
        return f"{minutes} m {seconds:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} m"
