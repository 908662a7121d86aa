"""The proof of each skill, and its record.

A skill that does not work does not end the run: a service of the LAN may be down for a night, and
all else must converge. It is said as a warning, kept on record, tried anew by the next run, and
`clawkeep skills` leaves with 1 until it works.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Sequence
from typing import Any

from pyinfra import host, logger
from pyinfra.api import FactBase, QuoteString, StringCommand, operation
from pyinfra.api.exceptions import FactProcessError

from clawkeep.skills import proofs
from clawkeep.skills.survey import PROVED
from clawkeep.skills.wanted import Wanted
from roles.agent.secrets import Unseen
from roles.probe import Answer, Probe, ask, change, want

Proofs = dict[str, dict[str, Any]]


def _proofs(answer: Answer) -> Proofs:
    return proofs.read(answer.text)


RECORD = Probe("skills proved", f"cat {PROVED}", _proofs, sudo=True)


def probed(name: str, user: str, skills: Sequence[Wanted], changed: Callable[[], bool]) -> None:
    """Have every skill probed as it is declared; `changed` tells whether its settings are new."""
    want(RECORD)
    _probed(name=name, user=user, skills=list(skills), changed=changed)


@operation()
def _probed(
    user: str, skills: list[Wanted], changed: Callable[[], bool]
) -> Generator[StringCommand, None, None]:
    old = ask(RECORD)
    anew = host.state.is_executing and changed()
    due = [skill for skill in skills if anew or not proofs.stands(old.get(skill.name), skill)]
    if not due and old.keys() == {skill.name for skill in skills}:
        host.noop(f"{len(skills)} skills are proved, or only a Mac can tell")
        return
    found: Proofs = {}
    if due and host.state.is_executing:
        text = host.get_fact(Answers, user=user, timeout_s=proofs.longest(due),
                             _stdin=Unseen(proofs.program(due)))  # fmt: skip
        found = proofs.judged(text, due)
        for name, proof in found.items():
            line = f"skill {name}: {proof['state']}: {proof['evidence']}"
            (logger.warning if proof["state"] == "failed" else host.log)(f"    {line}")
    kept = {skill.name: old[skill.name] for skill in skills if skill.name in old}
    yield change(WRITE, PROVED, sudo=True, stdin=json.dumps({**kept, **found}, indent=2) + "\n")


WRITE = r"""set -eu
umask 022; n="$1.clawkeep~"; rm -f "$n"; cat > "$n"; mv -f "$n" "$1"
"""


class Answers(FactBase[str]):
    """What the probes of all skills that are due answered, in one command."""

    @staticmethod
    def default() -> str:
        """Return no answer."""
        return ""

    def command(self, user: str, timeout_s: float) -> StringCommand:  # noqa: ARG002 - identity
        """Return the command; the probes are on its stdin."""
        return StringCommand(*(QuoteString(word) for word in proofs.command(user)))

    def process(self, output: list[str]) -> str:
        """Return the last line."""
        if not output:
            raise FactProcessError("the probes of the skills did not answer")
        return output[-1]
