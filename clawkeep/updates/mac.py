"""The keep, as updates see it: its host's snapshots and journal, its guest, and every probe."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pyinfra.api.exceptions import PyinfraError

from clawkeep import declared
from clawkeep.agent.guest import NotRunningError, inside
from clawkeep.model import Keep
from clawkeep.onhost.health_repair import DONE, RESTART
from clawkeep.onhost.plain import plain
from clawkeep.remote import Outcome, on_host
from clawkeep.skills import gather as skills
from clawkeep.skills.packages import formulas
from clawkeep.skills.wanted import wanted
from clawkeep.status.gather import gather as status
from clawkeep.status.report import Report
from clawkeep.target import Target
from clawkeep.transport import HostSession, TransportError
from clawkeep.updates import journal
from clawkeep.updates.gather import program, window
from clawkeep.updates.journal import Entry
from clawkeep.updates.parse import NAME, VERSION
from clawkeep.updates.work import Look, UpdateError
from clawkeep.verdict import Verdict
from connectors.turn import Turn

QUICK_S, SNAPSHOT_S, UPGRADE_S, LOOK_S, RESTART_S = 60.0, 6 * 3600.0, 2460.0, 600.0, 60.0
AGAIN_S = 3.0
KEEPALIVE_S = 15


class DeclaredKeep:
    """The declared keep on its host; see `work.Keep`."""

    def __init__(self, keep: Keep, target: Target) -> None:
        self.keep, self.target = keep, target
        self._within = ""

    @contextmanager
    def turn(self, what: str) -> Iterator[None]:
        """Keep everybody else away from the guest as long as the block runs.

        Raises turn.BusyError, which says who is at work; UpdateError.
        """
        try:
            session = HostSession(self.target)
        except (TransportError, OSError) as error:
            raise UpdateError(str(error)) from error
        try:
            if session.connection is not None:
                session.connection.set_keepalive(KEEPALIVE_S)
            with Turn(session.connection, f"clawkeep update {what}") as held:
                self._within = held.token
                yield
        finally:
            session.close()

    # -- the host ------------------------------------------------------------------------------

    def journal(self) -> Entry | None:
        """Return what is under way."""
        text = self._host(["update", "journal"], QUICK_S).stdout.strip()
        try:
            return journal.parse(text) if text else None
        except journal.JournalError as error:
            raise UpdateError(f"{self.target.name}: {error}") from error

    def note(self, entry: Entry) -> None:
        """Write down what is under way."""
        self._host(["update", "note", entry.text()], QUICK_S)

    def clear(self, what: str) -> None:
        """Take the journal away."""
        self._host(["update", "clear", plain(what, 600)], QUICK_S)

    def snapshot(self, reason: str) -> str:
        """Make a snapshot; return its name."""
        words = ["snapshot", "create", f"--reason={plain(reason, 300)}", "--json"]
        made = _json(self._host([*words, *self._part()], SNAPSHOT_S).stdout)
        name = made.get("name")
        if not isinstance(name, str):
            raise UpdateError(f"{self.target.name}: snapshot create said no name")
        return name

    def restore(self, snapshot: str) -> None:
        """Put a snapshot in the guest's place, unless a killed run had that done already."""
        rows = _json(self._host(["snapshot", "list", "--json"], QUICK_S).stdout)
        for row in rows.get("snapshots", []):
            if row.get("kind") == "replaced" and row.get("reason") == f"replaced by {snapshot}":
                return
        self._host(["snapshot", "restore", snapshot, "--json", *self._part()], SNAPSHOT_S)

    def _part(self) -> list[str]:
        """Return what makes a verb of the host part of this work."""
        return [f"--within={self._within}"] if self._within else []

    def _host(self, words: Sequence[str], timeout_s: float) -> Outcome:
        try:
            session = HostSession(self.target)
            try:
                outcome = on_host(session, words, timeout_s)
            finally:
                session.close()
        except (TransportError, OSError) as error:
            raise UpdateError(str(error)) from error
        if outcome.status != 0:
            said = plain((outcome.stderr or outcome.stdout).strip()[-600:], 600)
            raise UpdateError(said or f"{' '.join(words[:2])}: exit status {outcome.status}")
        return outcome

    # -- probes --------------------------------------------------------------------------------

    def well(self, wait_s: float) -> str:
        """Return "" when all works by `clawkeep status`, else what does not."""
        deadline = time.monotonic() + wait_s
        while True:
            report = status(self.keep, self.target, declared.allowlist().parent)
            if report.working is Verdict.WELL:
                return ""
            if time.monotonic() >= deadline:
                return _ill(report)
            time.sleep(AGAIN_S)

    def look(self, formulas: Sequence[str], skills: Sequence[str] | None) -> Look:
        """Look at packages, programs and skills; with names of skills those are proved anew."""
        names = sorted({*self._formulas(), *(name.rpartition("/")[2] for name in formulas)})
        said = self._guest({"do": "programs", "formulas": names}, LOOK_S, as_user=True)
        kegs = said.get("kegs")
        found = {
            name: version
            for name, version in (kegs.items() if isinstance(kegs, dict) else ())
            if NAME.fullmatch(str(name)) and VERSION.fullmatch(str(version))
        }
        ran = said.get("programs")
        programs = tuple(plain(str(p), 200) for p in (ran if isinstance(ran, list) else ()))
        return Look(found, programs, self._skills(skills))

    def _formulas(self) -> list[str]:
        """Return the short names of all that is declared."""
        guest = self.keep.guest
        named = [*guest.packages, *guest.tapped]
        if self.keep.agent:
            named.append(self.keep.agent.release_profile.formula)
        named += formulas(wanted(self.keep), guest.packages)
        return [name.rpartition("/")[2] for name in named]

    def _skills(self, names: Sequence[str] | None) -> tuple[str, ...]:
        known = wanted(self.keep)
        anew = [one for one in known if one.name in (names or ())]
        if not known or (names is not None and not anew):
            return ()
        report = skills.gather(self.keep, self.target, known, anew)
        if report.error:
            raise UpdateError(f"the skills could not be looked at: {report.error}")
        return tuple(row.name for row in report.rows if row.verdict is Verdict.WELL)

    # -- the guest -----------------------------------------------------------------------------

    def upgrade(self, formulas: Sequence[str]) -> str:
        """Upgrade formulas as Homebrew's owner in the guest, through the window."""
        question = {"do": "upgrade", "formulas": list(formulas)}
        try:
            with window(self.target) as proxy:
                said = self._guest(question | {"proxy": proxy}, UPGRADE_S, as_user=False)
        except (TransportError, OSError, PyinfraError) as error:
            raise UpdateError(str(error)) from error
        answer = said.get("brew")
        if isinstance(answer, dict) and answer.get("status") == 0:
            return ""
        words = answer.get("err", "") if isinstance(answer, dict) else ""
        return f"brew upgrade failed: {plain(str(words).strip()[-400:], 400) or 'without a word'}"

    def restart_agent(self) -> None:
        """Have NanoClaw run with what is there now: a process keeps the Node that it began with."""
        if self.keep.agent is None:
            return
        label = self.keep.agent.release_profile.label
        user = self.keep.guest.user
        command = ["sudo", "-n", "-H", "-u", user, "sh", "-c", RESTART, "sh", label]
        try:
            with inside(self.keep, self.target) as guest:
                guest.root(shlex.join(command), "", RESTART_S, DONE)
        except (NotRunningError, TransportError, OSError) as error:
            raise UpdateError(f"NanoClaw could not be started anew: {error}") from error

    def _guest(
        self, question: Mapping[str, Any], timeout_s: float, *, as_user: bool
    ) -> dict[str, Any]:
        try:
            with inside(self.keep, self.target) as guest:
                ask = guest.script if as_user else guest.login
                return ask(program(question), timeout_s, "the update's program")
        except (NotRunningError, TransportError, OSError) as error:
            raise UpdateError(str(error)) from error


def _json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise UpdateError(f"the host did not answer: {plain(text[-200:], 200)!r}")
    return found


def _ill(report: Report) -> str:
    """Say in a line what is not well in a status."""
    if report.host_error:
        return report.host_error
    found = [f"door {d.name}: {d.evidence or d.job}" for d in report.doors if d.verdict]
    if report.guest.error or report.guest.state != "running":
        found.append(f"guest: {report.guest.error or report.guest.state}")
    if report.anchor != "in force":
        found.append(f"anchor {report.anchor}")
    if report.guard.state not in {"open", "closed"}:
        found.append(f"guard {report.guard.state}")
    if report.agent and report.agent.verdict:
        rows = [f"{row.name}: {row.value}" for row in report.agent.rows if row.verdict]
        found.append(f"agent: {report.agent.error or '; '.join(rows)}")
    if report.health and report.health.verdict is Verdict.BAD:
        found.append(f"health: {report.health.summary}")
    return plain("; ".join(found) or "it cannot be told", 600)
