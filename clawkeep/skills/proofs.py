"""Proofs of skills: how they are asked for, and when one still counts."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from clawkeep.onhost.plain import plain
from clawkeep.skills.tools import MAX_EVIDENCE
from clawkeep.skills.wanted import Wanted

STATES = ("ok", "failed", "needs a Mac")
Proof = dict[str, Any]
"""state, evidence, what was measured, digest of what was proved, and when it was: Unix seconds of
the operator's clock."""
MAX_MEASURED = 12


def command(user: str) -> tuple[str, ...]:
    """Return the command that takes `program` on stdin, as the skills' user."""
    return ("sudo", "-n", "-H", "-u", user, "--", "/usr/bin/python3", "-I", "-")


def program(skills: Sequence[Wanted]) -> str:
    """Return what the guest's Python is sent: the probes of these skills, all of them at once."""
    source = (resources.files("clawkeep.skills") / "tools.py").read_text()
    tasks = {skill.name: skill.probe for skill in skills}
    return f"{source}\nmain({json.dumps(tasks)!a})\n"


def longest(skills: Sequence[Wanted]) -> float:
    """Return the seconds after which the guest has surely answered."""
    return max((skill.skill.timeout_s for skill in skills), default=0) + 10


def judged(text: str, skills: Sequence[Wanted]) -> dict[str, Proof]:
    """Return the proofs that the guest's answer is; no answer is a failure, never a pass."""
    try:
        answers = json.loads(text)
    except ValueError:
        answers = None
    found = {}
    for skill in skills:
        answer = answers.get(skill.name) if isinstance(answers, dict) else None
        state = answer.get("state") if isinstance(answer, dict) else None
        words = str(answer.get("evidence", "")) if isinstance(answer, dict) else ""
        if state not in STATES:
            state, words = "failed", "the guest did not answer"
        found[skill.name] = {
            "state": state,
            "evidence": plain(words, MAX_EVIDENCE),
            "measured": measured(answer.get("measured") if isinstance(answer, dict) else None),
            "digest": skill.digest,
            "at": round(time.time()),
        }
    return found


def measured(found: object) -> dict[str, float | str]:
    """Return what a hostile machine may have measured: few short names, numbers and words."""
    if not isinstance(found, dict):
        return {}
    kept: dict[str, float | str] = {}
    for name, value in list(found.items())[:MAX_MEASURED]:
        if isinstance(value, (int, float)) and math.isfinite(value):
            kept[plain(str(name), 40)] = round(float(value), 3)
        elif isinstance(value, str):
            kept[plain(str(name), 40)] = plain(value, 80)
    return kept


def read(text: str) -> dict[str, Proof]:
    """Return the record, without what is none."""
    try:
        data = json.loads(text)
    except ValueError:
        return {}
    if not isinstance(data, dict):
        return {}
    return {
        str(name): proof
        for name, proof in data.items()
        if isinstance(proof, dict)
        and proof.get("state") in STATES
        and isinstance(proof.get("at"), (int, float))
    }


def stands(proof: Mapping[str, Any] | None, skill: Wanted) -> bool:
    """Tell whether a proof is of the skill as it is declared now, and no failure."""
    if proof is None or proof["state"] == "failed":
        return False
    return bool(proof.get("digest") == skill.digest)
