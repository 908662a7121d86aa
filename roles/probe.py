"""One question per role instead of one per operation.

Facts are not cached in pyinfra 3 and each costs a round trip (reference/pyinfra.md §0.4, §6). An
operation here declares the probes it will need when it is *called*; the first one that *executes*
asks all those of its section (a role's part for one machine) in one remote command, and the answers
stand until an operation is about to change something. So a converged role costs one round trip,
whatever its length.
"""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from pyinfra import host
from pyinfra.api import FactBase, QuoteString, State, StringCommand
from pyinfra.api.exceptions import FactProcessError, PyinfraError

T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """What a probe's script printed, and its exit status; `asked` is False on an empty plan."""

    text: str = ""
    status: int = 1
    asked: bool = False


@dataclass(frozen=True)
class Probe(Generic[T]):
    """A POSIX shell script that reads state, and what its answer means.

    `name` identifies the probe on its host; two probes of one name are the same probe. `sudo`
    runs the script as root. The script must only read: it also runs in a plan.
    """

    name: str
    script: str
    meaning: Callable[[Answer], T]
    sudo: bool = False


@dataclass
class _Survey:
    """What one machine is to be asked, by section, and what it has answered."""

    section: str = ""
    wanted: dict[str, Probe[object]] = field(default_factory=dict)
    sections: dict[str, str] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    asking: str = ""
    executing: bool = False

    def missing(self, name: str) -> list[Probe[object]]:
        """Return the unanswered probes of the section that probe `name` is in."""
        return [
            probe
            for probe in self.wanted.values()
            if probe.name not in self.answers and self.sections[probe.name] == self.sections[name]
        ]


_surveys: WeakKeyDictionary[State, dict[str, _Survey]] = WeakKeyDictionary()


class Survey(FactBase[dict[str, Answer]]):
    """The answers of many probes in one command."""

    @staticmethod
    def default() -> dict[str, Answer]:
        """Return no answers: the machine is not there yet."""
        return {}

    def command(self, script: Script) -> str:
        """Return the shell command; pyinfra's `-v` shows only how many probes it carries."""
        self.script = script
        return script.text

    def process(self, output: list[str]) -> dict[str, Answer]:
        """Split the output at the marks. A probe without an answer is an error, not an absence."""
        mark = self.script.mark
        answers: dict[str, Answer] = {}
        name, lines = "", list[str]()
        for line in output:
            if line.startswith(f"{mark} begin "):
                name, lines = line.split(" ", 2)[2], []
            elif line.startswith(f"{mark} end "):
                status = int(line.rsplit(" ", 1)[1])
                answers[name] = Answer("\n".join(lines).rstrip("\n"), status, asked=True)
            else:
                lines.append(line)
        if len(answers) != self.script.count:
            raise FactProcessError(
                f"{len(answers)} of {self.script.count} probes answered; the SSH user needs sudo "
                "without a password (`sudo -n true` must work on this machine)"
            )
        return answers


class Script:
    """The combined script; prints as a short name so that logs stay readable."""

    def __init__(self, probes: list[Probe[object]]) -> None:
        self.mark = f"@{secrets.token_hex(6)}"
        self.count = len(probes)
        as_root = [p for p in probes if p.sudo]
        parts = [self._section([p for p in probes if not p.sudo])]
        if as_root:
            halves = _at_once([self._section(as_root[::2]), self._section(as_root[1::2])])
            # Without sudo the answers are missing, and `process` says what to do about it.
            parts.append(f"sudo -H -n sh -c {shlex.quote(halves)} || true")
        self.text = _at_once(parts)

    def _section(self, probes: list[Probe[object]]) -> str:
        return "\n".join(
            f"echo {shlex.quote(f'{self.mark} begin {p.name}')}; ({p.script}\n) 2>/dev/null; s=$?; "
            f'echo; echo "{self.mark} end $s"'
            for p in probes
        )

    def __repr__(self) -> str:
        """Say how many questions it asks."""
        return f"<{self.count} probes>"


def _at_once(parts: list[str]) -> str:
    """Return the script that runs `parts` side by side and prints one after the other.

    Most of a probe's time is a program starting. A pipe keeps what one prints until the other is
    done, so nothing is written to the machine's disk.
    """
    first, *rest = [part for part in parts if part]
    if not rest:
        return first
    return f"{{ {_at_once(rest)}\n}} </dev/null | {{ {{ {first}\n}} </dev/null; cat; }}"


def section(name: str) -> None:
    """Begin a section on the current host: the probes that one remote command asks."""
    _survey().section = name


def want(probe: Probe[T]) -> Probe[T]:
    """Note that the current host will be asked `probe`; call it where an operation is called."""
    survey = _survey()
    survey.wanted.setdefault(probe.name, probe)  # type: ignore[arg-type]
    survey.sections.setdefault(probe.name, survey.section)
    return probe


def ask(probe: Probe[T]) -> T:
    """Return the meaning of `probe` on the current host, as of now.

    Raises PyinfraError when a run, not a plan, gets no answer.
    """
    survey = _survey()
    if survey.executing != host.state.is_executing:
        survey.executing = host.state.is_executing
        survey.answers.clear()
    if probe.name not in survey.answers:
        want(probe)
        missing = survey.missing(probe.name)
        answers = host.get_fact(Survey, script=Script(missing))
        if host.state.is_executing and not answers:
            # Never build on what is not known: only a plan may take a machine for empty.
            raise PyinfraError(f"{host.name} did not answer {len(missing)} probes")
        survey.answers |= {p.name: answers.get(p.name, Answer()) for p in missing}
    survey.asking = survey.sections[probe.name]
    return probe.meaning(survey.answers[probe.name])


def change(
    script: str,
    *values: str | QuoteString,
    sudo: bool = False,
    stdin: str | None = None,
    everywhere: bool = False,
) -> StringCommand:
    """Return the command that runs `script` with `values` as `$1`, `$2` …, and forget answers.

    Forgotten is what the section of the operation answered; with `everywhere`, for changes such as
    a guest's start, what any section did. What must not be seen in `ps` or in a log goes to
    `stdin`; pyinfra never prints that.
    """
    if host.state.is_executing:
        forget(None if everywhere else _survey().asking)
    quoted = [QuoteString(value) if isinstance(value, str) else value for value in values]
    arguments: dict[str, Any] = {"_sudo": True} if sudo else {}
    if stdin is not None:
        arguments["_stdin"] = stdin
    return StringCommand("sh", "-c", QuoteString(script), "clawkeep", *quoted, **arguments)


def forget(section: str | None = None) -> None:
    """Forget what the current host answered, in one section or (None) altogether."""
    survey = _survey()
    for name in list(survey.answers):
        if section is None or survey.sections[name] == section:
            del survey.answers[name]


def _survey() -> _Survey:
    return _surveys.setdefault(host.state, {}).setdefault(host.name, _Survey())
