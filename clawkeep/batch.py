"""Many questions in one shell script, and their answers told apart."""

from __future__ import annotations

import re
import secrets
import shlex
from collections.abc import Mapping


def mark() -> str:
    """Return a word that no machine can know, and so none can print by itself."""
    return f"@@{secrets.token_hex(8)}@@"


def script(questions: Mapping[int, str] | Mapping[str, str], own: str) -> str:
    """Return the POSIX shell script that answers each question in a shell of its own.

    Questions get no stdin, and their errors are dropped.
    """
    return "".join(
        f"echo {shlex.quote(f'{own} {name}')}\n( {question}\n) </dev/null 2>/dev/null\n"
        f"s=$?; echo; echo '{own}='\"$s\"\n"
        for name, question in questions.items()
    )


def answers(text: str, own: str) -> dict[str, tuple[str, int]]:
    """Return output and exit status by name; one without its status was cut off, and is none."""
    whole = re.compile(
        rf"^{re.escape(own)} ([^\n]+)\n(.*?)\n{re.escape(own)}=(\d+)$", re.MULTILINE | re.DOTALL
    )
    return {name: (body, int(status)) for name, body, status in whole.findall(text)}
