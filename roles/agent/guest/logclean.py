"""What becomes of a line of NanoClaw's log: a date, no colours, no secrets. Pure; Python 3.9.

NanoClaw stamps `[HH:MM:SS.mmm]` of its local time, without a date, and colours also what goes into
files (reference/nanoclaw.md §1.10).
"""

import functools
import json
import re
import time
from datetime import datetime

from redact import ANSI, Redactor

__all__ = [
    "ANSI", "SLACK_S", "STAMP", "Redactor", "iso", "moment_of", "moments", "secrets_of_env",
    "secrets_of_json", "stamp",
]  # fmt: skip

STAMP = re.compile(rb"\[([01]\d|2[0-3]):([0-5]\d):([0-5]\d)\.(\d{3})\] ")

SLACK_S = 60.0
"""How far a line's stamp may lie outside the span in which it was written: clocks are set."""

DAY_S = 86400


def secrets_of_env(text, plain=()):
    """Return the (name, value) pairs of a `.env` file whose names are not in `plain`.

    As NanoClaw reads it: one layer of quotes, no `export` (reference/nanoclaw.md §1.4).
    """
    found = []
    for line in text.splitlines():
        name, equals, value = line.strip().partition("=")
        name, value = name.strip(), value.strip()
        if not equals or name.startswith("#") or name in plain:
            continue
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        found.append((name, value))
    return found


def secrets_of_json(text):
    """Return the (name, value) pairs of a credentials file; of a damaged one all strings."""
    try:
        values = json.loads(text)
        return [(str(name), str(value)) for name, value in values.items()]
    except (ValueError, AttributeError):
        return [("credential", value) for value in re.findall(r'"([^"\n]*)"', text)]


def stamp(line):
    """Return the time of day of a line's stamp as (h, m, s, ms), or None."""
    match = STAMP.match(line)
    return tuple(int(part) for part in match.groups()) if match else None


def moments(stamps, seen, written):
    """Return Unix times for the stamps of lines that were written between `seen` and `written`.

    `seen` is when all before them had been read, `written` when the file last changed. The last
    line is as late as it can be; each earlier one is no later than its successor. That is certain
    while the two lie less than a day apart. A step of the clock, or the hour that comes twice, may
    let the times of neighbours run backwards.
    """
    found = []
    bound = written
    for clock in reversed(stamps):
        near = _candidates(clock, bound)
        early = [moment for moment in near if moment <= bound + SLACK_S]
        moment = max(early)
        if moment < seen - SLACK_S:
            # Set back by hand, or read out of turn: the day that fits best.
            moment = min(near, key=lambda each: max(seen - each, each - bound, 0.0))
        found.append(moment)
        bound = min(bound, moment)
    return found[::-1]


def _candidates(clock, bound):
    """Return the moments near `bound` at which a local clock shows this time."""
    hour, minute, second, ms = clock
    found = set()
    for days in (-DAY_S, 0, DAY_S):
        year, month, day = time.localtime(bound + days)[:3]
        for fold in (0, 1):
            whole = _minute(year, month, day, hour, minute, fold)
            found.add(whole + second + ms / 1000)
    return found


@functools.lru_cache(maxsize=4096)
def _minute(year, month, day, hour, minute, fold):
    return datetime(year, month, day, hour, minute, fold=fold).timestamp()


def iso(moment):
    """Return a moment as local time with its offset: 2026-11-21T14:03:22.123+0100."""
    whole = int(moment // 1)
    ms = min(int((moment - whole) * 1000 + 0.5), 999)
    local = time.localtime(whole)
    return "%s.%03d%s" % (time.strftime("%Y-%m-%dT%H:%M:%S", local), ms, time.strftime("%z", local))


def moment_of(text):
    """Return the Unix time of what `iso` wrote. Raises ValueError."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z").timestamp()
