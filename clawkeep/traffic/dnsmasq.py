"""The resolver's log: one answer is one row. The format is dnsmasq's `log-queries=extra`.

A question and its answer are a line each; the answer tells all that counts. What is known by
nobody is the interesting part: a guest that looks for a way out asks for such names.
"""

from __future__ import annotations

import re
from calendar import timegm
from time import gmtime, strptime

from clawkeep.traffic.rows import Row, clean

SERVICE = "resolver"

LINE = re.compile(r"([A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8}) dnsmasq\[[0-9]+\]: (.*)")
ANSWER = re.compile(r"[0-9]+ ([0-9a-f.:]+)/([0-9]+) config (.*) is (\S+)")
"""Serial number, client, `config`, name, result. A name may hold anything, ` is ` too: the last one
counts."""

DAY_S = 86_400


def rows(line: str, now: float) -> list[Row] | None:
    """Return the row of an answer, none for other lines of dnsmasq's, None for anybody else's.

    `now` (Unix seconds) tells the year, which dnsmasq leaves out; its clock is UTC's
    (`formats.RESOLVER_ENVIRONMENT`). An answer without data, as for the IPv6 address of a known
    name, is no row.
    """
    found = LINE.fullmatch(line)
    moment = _time(found[1], now) if found else None
    if found is None or moment is None:
        return None
    answer = ANSWER.fullmatch(found[2])
    if answer is None or answer[4].startswith("NODATA"):
        return []
    client, port, name, result = answer.groups()
    known = result != "NXDOMAIN"
    return [
        Row(
            time=moment,
            source="resolver",
            service=SERVICE,
            peer=clean(f"{client}:{port}"),
            target=clean(name),
            verdict="allowed" if known else "denied",
            detail=clean(result),
        )
    ]


def _time(text: str, now: float) -> float | None:
    year = gmtime(now).tm_year
    for candidate in (year, year - 1):
        try:
            moment = float(timegm(strptime(f"{candidate} {text}", "%Y %b %d %H:%M:%S")))
        except ValueError:
            continue
        if moment <= now + DAY_S:
            return moment
    return None
