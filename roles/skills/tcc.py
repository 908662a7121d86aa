"""What a person would allow at the guest's screen, written where the operator asked for that.

The program that writes is careful (clawkeep/skills/tcc.py): where it refuses, the run says why and
goes on, and the skill's own probe stays red with what a person must do.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from importlib import resources
from typing import Any

from pyinfra import host, logger
from pyinfra.api import FactBase, QuoteString, StringCommand, operation
from pyinfra.api.exceptions import FactProcessError

from clawkeep.onhost.plain import plain
from clawkeep.skills import proofs
from clawkeep.skills.tcc import LEDGER
from clawkeep.skills.wanted import Wanted
from roles.agent.secrets import Unseen
from roles.probe import Answer, Probe, ask, change, want

Rows = list[tuple[str, str, str]]


def _ledger(user: str) -> Probe[Rows]:
    def rows(answer: Answer) -> Rows:
        try:
            return [(str(a), str(b), str(c)) for a, b, c in json.loads(answer.text)]
        except (ValueError, TypeError):
            return []

    # As the user: a link of theirs must not show them what is root's.
    return Probe("TCC rows", f"sudo -n -u {user} cat /Users/{user}/{LEDGER}", rows, sudo=True)


def granted(name: str, user: str, skills: Sequence[Wanted]) -> None:
    """Have exactly the rows that skills want in the user's TCC.db, of those written by us."""
    want(_ledger(user))
    rows = [(grant.service, grant.client, grant.target) for s in skills for grant in s.wants.grants]
    _granted(name=name, user=user, rows=rows)


@operation()
def _granted(user: str, rows: Rows) -> Generator[StringCommand, None, None]:
    found: Rows = ask(_ledger(user))
    if sorted(found) == sorted(rows):
        host.noop(f"{len(rows)} rows of TCC are as asked for")
        return
    if host.state.is_executing:
        source = (resources.files("clawkeep.skills") / "tcc.py").read_text()
        program = f"{source}\nmain({json.dumps(rows)!a})\n"
        done = host.get_fact(Brought, user=user, _stdin=Unseen(program))
        if refused := plain(str(done.get("refused", "")), 200):
            logger.warning(f"    TCC: nothing was written: {refused}; a person must press Allow")
            return
        host.log(f"    TCC: {done.get('added')} rows written, {done.get('taken')} taken back")
    yield change(":")


class Brought(FactBase[dict[str, Any]]):
    """What the program in the guest answered."""

    @staticmethod
    def default() -> dict[str, Any]:
        """Return no answer."""
        return {}

    def command(self, user: str) -> StringCommand:
        """Return the command; the program is on its stdin."""
        return StringCommand(*(QuoteString(word) for word in proofs.command(user)))

    def process(self, output: list[str]) -> dict[str, Any]:
        """Read the last line."""
        try:
            answer = json.loads(output[-1])
        except (IndexError, ValueError) as error:
            raise FactProcessError("the guest did not answer about TCC") from error
        return answer if isinstance(answer, dict) else {"refused": "no answer"}
