"""The arguments of `clawkeep traffic`, the same on the host and on the operator's side."""

from __future__ import annotations

import argparse
import re

from clawkeep.traffic.spans import since

MAX_LIMIT = 2000
"""More rows would not fit into one answer of the host."""

SERVICE = re.compile(r"[a-z][a-z0-9-]{0,39}")


def add_show(parser: argparse.ArgumentParser) -> None:
    """Add what selects rows."""
    parser.add_argument(
        "--since",
        default="24h",
        metavar="WHEN",
        help="90s, 15m, 24h, 7d, or a time such as 2026-11-21T08:00 (%(default)s)",
    )
    parser.add_argument("--denied", action="store_true", help="only what was refused")
    parser.add_argument("--service", metavar="NAME", help="one bridge, `proxy`, or a label of pf")
    parser.add_argument(
        "--limit", type=int, default=200, metavar="N", help="the newest N rows (%(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def add_digest(parser: argparse.ArgumentParser) -> None:
    """Add what selects a day."""
    parser.add_argument("--day", metavar="YYYY-MM-DD", help="of the host's local time (today)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def checked(options: argparse.Namespace) -> None:
    """Raise ValueError when a value of `add_show` is none."""
    since(options.since, 0.0)
    if not 1 <= options.limit <= MAX_LIMIT:
        raise ValueError(f"--limit must be 1 to {MAX_LIMIT}")
    if options.service is not None and not SERVICE.fullmatch(options.service):
        raise ValueError(f"--service {options.service!r:.60} is no name of a service")
