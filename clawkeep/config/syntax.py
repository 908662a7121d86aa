"""PyYAML's syntax errors, in words for the operator."""

from __future__ import annotations

import re

import yaml

from clawkeep.config.problem import Mark, Problem
from clawkeep.config.source import mark_at

TAB_INDENT = re.compile(r"^[ ]*(?:- *)?\t", re.MULTILINE)


def explain(error: Exception, text: str, name: str) -> list[Problem]:
    """Return what a syntax error means, with its position; at least one problem."""
    mark = Mark(1, 1)
    said = "cannot be read as YAML"
    if isinstance(error, yaml.MarkedYAMLError):
        place = error.problem_mark or error.context_mark
        mark = Mark(place.line + 1, place.column + 1) if place else mark
        said = ", ".join(part for part in (error.context, error.problem) if part) or said
    if "\\t" in said and (tabs := _tabs(text, name)):
        return tabs
    return [Problem(name, f"{_friendly(said)} (YAML: {said})", mark)]


def _tabs(text: str, name: str) -> list[Problem]:
    return [
        Problem(
            name,
            "a tab; YAML is indented with spaces: replace it by two of them",
            mark_at(text, found.end() - 1),
        )
        for found in TAB_INDENT.finditer(text)
    ]


def _friendly(said: str) -> str:
    """Say what usually is behind one of PyYAML's messages."""
    causes = {
        "mapping values are not allowed": "a colon too many, or a line indented differently "
        "from its neighbours",
        "could not find expected ':'": "a key without its colon",
        "expected <block end>": "a line indented differently from its neighbours",
        "end of stream": "a quote or bracket that is never closed",
        "unknown escape": "a backslash in double quotes; use single quotes",
        "cannot start any token": "a character that must stand in quotes",
        "alias": "a * that must stand in quotes",
        "anchor": "an & that must stand in quotes",
    }
    for part, cause in causes.items():
        if part in said:
            return cause
    return "no valid YAML"
