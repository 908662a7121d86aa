"""What becomes of a line of NanoClaw's log: a date, no colours, no secrets. Pure; Python 3.9.

NanoClaw stamps `[HH:MM:SS.mmm]` of its local time, without a date, and colours also what goes into
files (reference/nanoclaw.md §1.10).
"""

import base64
import functools
import json
import re
import time
import urllib.parse
from datetime import datetime

ANSI = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)|[ -/]*[0-Z\\^-~])")
STAMP = re.compile(rb"\[([01]\d|2[0-3]):([0-5]\d):([0-5]\d)\.(\d{3})\] ")

SLACK_S = 60.0
"""How far a line's stamp may lie outside the span in which it was written: clocks are set."""

SHORTEST = 8
"""Bytes: a shorter value would be found in innocent words."""

MAX_SECRET = 16384
DAY_S = 86400

SHAPES = (
    ("anthropic", rb"sk-ant-[A-Za-z0-9_-]{8,}"),
    ("key", rb"\bsk-[A-Za-z0-9_-]{20,}"),
    ("github", rb"\b(?:gh[opsur]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})"),
    ("slack", rb"\bx(?:ox[abeprs]|app)-[A-Za-z0-9-]{10,}"),
    ("discord", rb"\b[A-Za-z0-9_-]{23,28}\.[A-Za-z0-9_-]{6,7}\.[A-Za-z0-9_-]{27,}"),
    ("telegram", rb"\b\d{8,10}:[A-Za-z0-9_-]{35}\b"),
    ("aws", rb"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    ("jwt", rb"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
    ("bearer", rb"(?i:\b(?:bearer|basic) )[A-Za-z0-9._~+/-]{16,}=*"),
    (
        "private-key",
        (
            rb"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[^-\n]|-(?!----))*"
            rb"(?:-----END [A-Z ]*PRIVATE KEY-----)?"
        ),
    ),
)
"""Tokens by their shape, for those that stand in no file of ours."""


class Redactor:
    """Replaces secrets by `[redacted NAME]`: known values in all their spellings, and shapes."""

    def __init__(self, secrets=()):
        """Take (name, value) pairs; values shorter than `SHORTEST` bytes are left alone."""
        self.spellings = {}
        for name, value in secrets:
            if len(value.encode(errors="surrogateescape")) >= SHORTEST:
                for spelling in spellings(value):
                    self.spellings.setdefault(spelling, name.encode())
        exact = sorted(self.spellings, key=len, reverse=True)
        self.longest = min(max(map(len, exact), default=0), MAX_SECRET)
        parts = [b"(?P<exact>" + b"|".join(map(re.escape, exact)) + b")"] if exact else []
        parts += [b"(?P<s%d>%s)" % (number, pattern) for number, (_, pattern) in enumerate(SHAPES)]
        self.pattern = re.compile(b"|".join(parts))

    def redact(self, text):
        """Return `text` without secrets."""
        return self.pattern.sub(self._word, text)

    def _word(self, match):
        kind = match.lastgroup
        if kind == "exact":
            return b"[redacted " + self.spellings[match.group()] + b"]"
        return b"[redacted " + SHAPES[int(kind[1:])][0].encode() + b"]"

    def cut(self, text, size):
        """Return where to cut `text` near `size` so that no secret is cut in two."""
        for match in self.pattern.finditer(text):
            if match.start() >= size:
                break
            if match.end() > size:
                return match.start() or match.end()
        return size


def spellings(value):
    """Return the ways in which a value may stand in a log, as bytes."""
    raw = value.encode(errors="surrogateescape")
    quoted = {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    quoted |= {urllib.parse.quote(raw, safe=""), urllib.parse.quote_plus(raw)}
    coded = {base64.b64encode(raw), base64.urlsafe_b64encode(raw)}
    found = {raw} | {text.encode(errors="surrogateescape") for text in quoted}
    return found | {text.rstrip(b"=") for text in coded}


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
