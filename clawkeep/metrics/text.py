"""Prometheus's text format, version 0.0.4: one block per metric, each label set once.

The format: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from clawkeep.onhost.plain import plain

PREFIX: Final = "clawkeep_"
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
MOST: Final = 300
"""Samples of one metric: names come from the host, whose state a guest has a hand in."""

Labels = tuple[tuple[str, str], ...]


@dataclass
class Metric:
    """One metric; the last words of `name` are its unit, as Prometheus has it."""

    name: str
    words: str
    kind: Literal["gauge", "counter"]
    samples: dict[Labels, float] = field(default_factory=dict)

    def add(self, value: float, labels: Mapping[str, str]) -> None:
        """Add a sample; of one label set the first counts, for two would spoil the whole file."""
        key = tuple((name, plain(text, 100)) for name, text in labels.items())
        if len(self.samples) < MOST:
            self.samples.setdefault(key, value)


class Figures:
    """Metrics in the order in which they were first named."""

    def __init__(self) -> None:
        self.metrics: dict[str, Metric] = {}

    def gauge(self, name: str, words: str, value: float | None, **labels: str) -> None:
        """Add a value that goes up and down; None is not known, and left out."""
        self._add(name, words, "gauge", value, labels)

    def counter(self, name: str, words: str, value: float | None, **labels: str) -> None:
        """Add a value that only grows, or begins anew; its name ends in `_total`."""
        self._add(name, words, "counter", value, labels)

    def state(self, name: str, words: str, is_: str, known: Iterable[str], **labels: str) -> None:
        """Add one sample per state that there is: 1 for the one that it `is_`, 0 for the others."""
        for state in known:
            self.gauge(name, words, float(state == is_), **labels, state=state)

    def _add(
        self,
        name: str,
        words: str,
        kind: Literal["gauge", "counter"],
        value: float | None,
        labels: Mapping[str, str],
    ) -> None:
        if value is not None:
            metric = self.metrics.setdefault(name, Metric(PREFIX + name, words, kind))
            metric.add(value, labels)

    def text(self) -> str:
        """Return all of them in the text format."""
        lines = []
        for metric in self.metrics.values():
            lines.append(f"# HELP {metric.name} {_escaped(metric.words)}")
            lines.append(f"# TYPE {metric.name} {metric.kind}")
            for labels, value in metric.samples.items():
                lines.append(f"{metric.name}{_labels(labels)} {_number(value)}")
        return "\n".join(lines) + "\n" if lines else ""


def _labels(labels: Labels) -> str:
    inner = ",".join(f'{name}="{_quoted(value)}"' for name, value in labels)
    return f"{{{inner}}}" if inner else ""


def _quoted(text: str) -> str:
    return _escaped(text).replace('"', r"\"")


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 2**53 else repr(value)
