"""Takes secrets out of text that is kept or sent: known values, and tokens by their shape.

Also runs in the guest, beside its log job: standard library only, Python 3.9.
"""

from __future__ import annotations

import base64
import json
import re
import urllib.parse
from collections.abc import Iterable

ANSI = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)|[ -/]*[0-Z\\^-~])")
"""Escape sequences of terminals: colours, titles, links."""

SHORTEST = 8
"""Bytes: a shorter value would be found in innocent words."""

MAX_SECRET = 16384

SHAPES = (
    ("anthropic", rb"sk-ant-[A-Za-z0-9_-]{8,}"),
    ("key", rb"\bsk-[A-Za-z0-9_-]{20,}"),
    ("github", rb"\b(?:gh[opsur]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})"),
    ("slack", rb"\bx(?:ox[abeprs]|app)-[A-Za-z0-9-]{10,}"),
    ("discord", rb"\b[A-Za-z0-9_-]{23,28}\.[A-Za-z0-9_-]{6,7}\.[A-Za-z0-9_-]{27,}"),
    ("webhook", rb"(?i:/api/(?:v\d+/)?webhooks/)\d{15,}/[A-Za-z0-9_-]{20,}"),
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

    def __init__(self, secrets: Iterable[tuple[str, str]] = ()) -> None:
        """Take (name, value) pairs; values shorter than `SHORTEST` bytes are left alone."""
        self.spellings: dict[bytes, bytes] = {}
        for name, value in secrets:
            if len(value.encode(errors="surrogateescape")) >= SHORTEST:
                for spelling in spellings(value):
                    self.spellings.setdefault(spelling, name.encode())
        exact = sorted(self.spellings, key=len, reverse=True)
        self.longest = min(max(map(len, exact), default=0), MAX_SECRET)
        parts = [b"(?P<exact>" + b"|".join(map(re.escape, exact)) + b")"] if exact else []
        parts += [b"(?P<s%d>%s)" % (number, pattern) for number, (_, pattern) in enumerate(SHAPES)]
        self.pattern = re.compile(b"|".join(parts))

    def redact(self, text: bytes) -> bytes:
        """Return `text` without secrets."""
        return self.pattern.sub(self._word, text)

    def _word(self, match: re.Match[bytes]) -> bytes:
        kind = match.lastgroup or ""
        if kind == "exact":
            return b"[redacted " + self.spellings[match.group()] + b"]"
        return b"[redacted " + SHAPES[int(kind[1:])][0].encode() + b"]"

    def cut(self, text: bytes, size: int) -> int:
        """Return where to cut `text` near `size` so that no secret is cut in two."""
        for match in self.pattern.finditer(text):
            if match.start() >= size:
                break
            if match.end() > size:
                return match.start() or match.end()
        return size


def spellings(value: str) -> set[bytes]:
    """Return the ways in which a value may stand in a log, as bytes."""
    raw = value.encode(errors="surrogateescape")
    quoted = {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    quoted |= {urllib.parse.quote(raw, safe=""), urllib.parse.quote_plus(raw)}
    coded = {base64.b64encode(raw), base64.urlsafe_b64encode(raw)}
    found = {raw} | {text.encode(errors="surrogateescape") for text in quoted}
    return found | {text.rstrip(b"=") for text in coded}
