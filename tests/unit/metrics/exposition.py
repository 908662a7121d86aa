"""A strict reader of Prometheus's text format: what is not in its grammar is an error.

The grammar: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(,|$)')
ESCAPES = {r"\\": "\\", r"\"": '"', r"\n": "\n"}

Labels = frozenset[tuple[str, str]]


@dataclass
class Family:
    """One metric."""

    words: str
    kind: str = ""
    samples: dict[Labels, float] = field(default_factory=dict)


def parse(text: str) -> dict[str, Family]:
    """Return the metrics by name. Raises ValueError."""
    if text and not text.endswith("\n"):
        raise ValueError("the last line has no end")
    found: dict[str, Family] = {}
    current = ""
    for line in text.split("\n")[:-1]:
        if line.startswith("# HELP "):
            current, _, words = line[7:].partition(" ")
            if current in found or not NAME.fullmatch(current):
                raise ValueError(f"{current} comes twice, or is no name")
            found[current] = Family(_plain(words))
        elif line.startswith("# TYPE "):
            name, _, kind = line[7:].partition(" ")
            if name != current or found[name].kind or kind not in {"gauge", "counter"}:
                raise ValueError(f"misplaced: {line}")
            found[name].kind = kind
        else:
            _sample(line, current, found[current])
    return found


def _sample(line: str, current: str, family: Family) -> None:
    match = re.fullmatch(r"([^{ ]+)(?:\{(.*)\})? (\S+)", line)
    if not match or match[1] != current or not family.kind:
        raise ValueError(f"no sample of {current}: {line}")
    labels, rest = {}, match[2] or ""
    while rest:
        pair = LABEL.match(rest)
        if not pair or pair[1] in labels:
            raise ValueError(f"labels: {rest}")
        labels[pair[1]] = _plain(pair[2])
        rest = rest[pair.end() :]
    key = frozenset(labels.items())
    if key in family.samples:
        raise ValueError(f"twice: {line}")
    family.samples[key] = float(match[3])


def _plain(text: str) -> str:
    return re.sub(r'\\[\\"n]', lambda found: ESCAPES[found[0]], text)
