"""Asks many verbs of the host in one exchange: one connection, one `sudo`, one answer."""

from __future__ import annotations

import json
import secrets
import shlex
from collections.abc import Iterator, Sequence
from typing import Any, Final

from clawkeep.overview.sources import UNKNOWN, Source
from clawkeep.remote import PROGRAM, Outcome
from clawkeep.transport import HostSession, TransportError

HOST_S: Final = 45.0
MOST: Final = 60_000
"""Bytes of one verb's answer: all of them must fit into one exchange."""


class NoAnswerError(Exception):
    """A verb printed no JSON; the text says what it said instead."""


def ask_host(session: HostSession, sources: Sequence[Source]) -> dict[str, Outcome]:
    """Return what each verb on the host printed, by the source's name.

    One that is missing in the answer was cut off. Raises TransportError.
    """
    # Nobody whose words a verb repeats can know it.
    own = f"@{secrets.token_hex(8)}"
    text = session.run(_script(sources, own), HOST_S)
    found = dict(_parts(text, own))
    if not found and sources:
        raise TransportError(
            f"{session.target.name}: no answer: {text.strip()[-200:]!r}; the SSH user needs sudo "
            "without a password, and the base phase must have run"
        )
    return found


def _script(sources: Sequence[Source], own: str) -> str:
    lines = ["e=$(mktemp) || exit 1", "trap 'rm -f \"$e\"' EXIT"]
    for source in sources:
        command = shlex.join((PROGRAM, *source.host))
        # A verb that prints beyond the limit loses its status, and so counts as cut off.
        lines += [
            f"echo '{own} {source.name}'",
            f"{{ {command} 2>\"$e\" </dev/null; s=$?; echo; echo '{own}' $s; }} | head -c {MOST}",
            f"echo; echo '{own} said'; head -c 1000 \"$e\"",
        ]
    program = "\n".join(lines)
    return f"sudo -n /bin/sh -c {shlex.quote(program)} </dev/null 2>&1\n"


def _parts(text: str, own: str) -> Iterator[tuple[str, Outcome]]:
    """Yield each verb's outcome; there are three marks of each: begin, status, stderr."""
    words = [part.partition("\n") for part in text.split(f"{own} ")[1:]]
    for begin, end, said in zip(words, words[1:], words[2:], strict=False):
        if end[0].strip().isdigit() and said[0].strip() == "said":
            yield begin[0].strip(), Outcome(int(end[0]), begin[2].strip(), said[2].strip())


def parsed(source: Source, outcome: Outcome) -> Any:
    """Return the JSON of an answer, whatever its exit status. Raises NoAnswerError."""
    try:
        if source.lines and outcome.status in {0, 1}:
            return [_object(line) for line in outcome.stdout.splitlines() if line.strip()]
        return _object(outcome.stdout)
    except (ValueError, RecursionError):
        raise NoAnswerError(_why(outcome)) from None


def _object(text: str) -> Any:
    data = json.loads(text)
    if not isinstance(data, dict | list):
        raise ValueError(f"{data!r:.40} is neither object nor list")  # noqa: TRY004
    return data


def _why(outcome: Outcome) -> str:
    said = outcome.stderr.strip().splitlines()
    if any(line.startswith("usage: ") for line in said) or "invalid choice" in outcome.stderr:
        return UNKNOWN
    return said[-1] if said else f"it ended with {outcome.status} and printed no JSON"
