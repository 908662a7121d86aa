"""Asks the guest once how its skills are, and has some proved anew."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import resources
from typing import Any

from clawkeep.agent.guest import Inside, NotRunningError, inside
from clawkeep.model import Keep
from clawkeep.onhost.plain import plain
from clawkeep.skills import proofs
from clawkeep.skills.granted import groups_of
from clawkeep.skills.report import Report, Row
from clawkeep.skills.survey import PROVED
from clawkeep.skills.wanted import Wanted
from clawkeep.target import Target
from clawkeep.transport import TransportError
from clawkeep.verdict import Verdict

TIMEOUT_S = 20
STORE = f"umask 022; n={PROVED}.clawkeep~; rm -f $n; cat > $n && mv -f $n {PROVED} && echo stored"


def gather(
    keep: Keep, target: Target, skills: Sequence[Wanted], anew: Sequence[Wanted] = ()
) -> Report:
    """Return how the skills are; those of `anew` are probed now, and the record is written.

    Never raises for a machine that is not well: what could not be learned is unknown.
    """
    groups = {one.name: groups_of(keep, one.name) for one in skills}
    unknown = tuple(
        Row(one.name, one.skill.summary, one.wants.needs, groups=groups[one.name]) for one in skills
    )
    try:
        with inside(keep, target) as guest:
            found = guest.script(_survey(skills), TIMEOUT_S)
            record = proofs.read(json.dumps(found.get("proved")))
            if anew:
                record |= _probed(guest, record, anew)
    except NotRunningError as error:
        return Report(keep.guest.name, unknown, error=str(error), unreached=Verdict.BAD)
    except (TransportError, OSError) as error:
        return Report(keep.guest.name, unknown, error=str(error))
    states = found.get("skills")
    seen = states if isinstance(states, dict) else {}
    rows = (row(one, seen.get(one.name), record.get(one.name), time.time()) for one in skills)
    return Report(keep.guest.name, tuple(replace(r, groups=groups[r.name]) for r in rows))


def _probed(
    guest: Inside, record: Mapping[str, proofs.Proof], anew: Sequence[Wanted]
) -> dict[str, proofs.Proof]:
    answer = guest.script(proofs.program(anew), proofs.longest(anew))
    found = proofs.judged(json.dumps(answer), anew)
    guest.root(STORE, json.dumps({**record, **found}, indent=2) + "\n", TIMEOUT_S, "stored")
    return found


def row(skill: Wanted, seen: object, proof: proofs.Proof | None, now: float) -> Row:
    """Return the row of one skill from what the guest said of it."""
    lacks, differs = _texts(seen, "missing"), _texts(seen, "different")
    state, words, age = "never", "", None
    if proof is not None:
        state, age = proof["state"], max(0.0, now - proof["at"])
        words = plain(str(proof.get("evidence", "")), 300)
        if proof.get("digest") != skill.digest:
            state, words = "outdated", "proved with another declaration; clawkeep apply skills"
    if lacks:
        words = f"not installed: {', '.join(lacks)}"
    elif differs:
        words = "; ".join(differs)
    return Row(
        skill.name,
        skill.skill.summary,
        skill.wants.needs,
        installed=None if lacks is None else not lacks,
        configured=None if differs is None else not differs,
        proof=state,
        evidence=words,
        age_s=age,
        measured=proofs.measured(proof.get("measured")) if proof is not None else {},
    )


def _texts(seen: object, key: str) -> list[str] | None:
    """Return what a hostile machine may have said as a list of texts; None for anything else."""
    found = seen.get(key) if isinstance(seen, dict) else None
    return [plain(str(text), 200) for text in found] if isinstance(found, list) else None


def _survey(skills: Sequence[Wanted]) -> str:
    source = (resources.files("clawkeep.skills") / "survey.py").read_text()
    tasks = {skill.name: _task(skill) for skill in skills}
    return f"{source}\nmain({json.dumps(tasks)!a})\n"


def _task(skill: Wanted) -> dict[str, Any]:
    wants = skill.wants
    files: dict[str, tuple[str, str | None]] = {}
    for path, text in wants.programs.items():
        files[path] = ("755", hashlib.sha256(text.encode()).hexdigest())
    for model in wants.models:
        files[model.path] = ("644", None)
    for path, text in wants.files.items():
        files[path] = ("600", hashlib.sha256(text.encode()).hexdigest())
    for file in wants.secret_files:
        files[file.path] = ("600", None)
    npm, pip = list(wants.npm), list(wants.pip)
    return {"formulas": list(wants.formulas), "npm": npm, "pip": pip, "files": files}
