"""Files in the guest that hold secrets: written by their own user, compared without a trace.

pyinfra shows a fact's arguments with `-v`, `_stdin` among them, commands with `-vv` and what they
print with `-vvv`; an upload lies under a predictable name first (reference/pyinfra.md §8). So
contents go on stdin, inside an object that shows nothing, to a program that says nothing of them.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from pyinfra import host, logger
from pyinfra.api import FactBase, QuoteString, StringCommand, operation
from pyinfra.api.exceptions import FactProcessError, PyinfraError
from pyinfra.api.operation import OperationMeta

from clawkeep import declared
from clawkeep.nanoclaw.env import CREDENTIALS, Placement, render_env
from clawkeep.secrets import Reference, Secret, SecretError, resolve
from roles.probe import forget
from roles.told import told

STATE = "/opt/nanoclaw/state"
GUEST_PYTHON = "/usr/bin/python3"

# The program's length comes first, then the program, then its task: were the task part of the
# program, an error in the middle of it would be printed with the line that it is in.
RUN = """cd /
id -u "$1" >/dev/null 2>&1 || exit "$2"
[ -x "$4" ] || exit "$2"
exec sudo -H -n -u "$1" "$4" -I -c "$3"
"""
BOOTSTRAP = (
    "import sys; s = sys.stdin.buffer; n = int(s.readline()); "
    'exec(compile(s.read(n), "program.py", "exec")); main(s)'
)


@dataclass(frozen=True)
class SecretFile:
    """A file as it must be: this content, 0600; or, without one, not there at all."""

    path: str
    content: Secret | None


@dataclass(frozen=True)
class Credential:
    """The model's credential: its name, its value, and the file that NanoClaw has it from."""

    name: str
    value: Secret
    path: str


class Unseen:
    """Input for a remote program, as pyinfra takes it, that no log can show."""

    def __init__(self, text: str) -> None:
        self.__text = text

    def readlines(self) -> list[str]:
        """Return it for pyinfra to send; again when it tries again."""
        return [self.__text]

    def __iter__(self) -> Iterator[str]:
        return iter(self.readlines())

    def __repr__(self) -> str:
        return "<unseen>"


def resolved(references: Mapping[str, Reference]) -> dict[str, Secret]:
    """Return the declared secrets; called in deploy code, so before anything is changed.

    Raises PyinfraError, which pyinfra shows as one line, with all that could not be had.
    """
    try:
        return resolve(references, declared.project(), logger.warning)
    except SecretError as error:
        raise PyinfraError(f"secrets: {error}") from None


def agent_files(placement: Placement) -> list[SecretFile]:
    """Return the files of the agent's state that hold secrets, and the one that must not be.

    `data/env/env` is a second copy of the `.env` that older instructions ask for and nothing reads
    (reference/nanoclaw.md §1.4).
    """
    given = {name: value.reveal() for name, value in placement.credentials.items()}
    credentials = Secret(json.dumps(given) + "\n") if given else None
    return [
        SecretFile(f"{STATE}/.env", render_env(placement.dotenv)),
        SecretFile(f"{STATE}/credentials", credentials),
        SecretFile(f"{STATE}/data/env/env", None),
    ]


def credential(placement: Placement) -> Credential | None:
    """Return the model's credential, wherever this NanoClaw reads it; None when it has none."""
    given = {**placement.dotenv, **placement.credentials}
    for name in CREDENTIALS:
        if isinstance(value := given.get(name), Secret):
            where = "credentials" if name in placement.credentials else ".env"
            return Credential(name, value, f"{STATE}/{where}")
    return None


def placed(
    name: str,
    user: str,
    files: Sequence[SecretFile],
    tried: Credential | None = None,
    python: str = GUEST_PYTHON,
) -> OperationMeta:
    """Have exactly these files, `user`'s own; the result tells whether one changed.

    Their folders are there before and belong to `user`. What differs is said per file, in words.
    When the file of `tried` is to change, the model is shown it first: one that it does not take
    ends the run, with the old one in its place. `python` is what runs there; without it, nobody
    knows what differs.
    """
    return _placed(name=name, user=user, files=list(files), tried=tried, python=python)


@operation()
def _placed(
    user: str, files: list[SecretFile], tried: Credential | None, python: str
) -> Generator[StringCommand, None, None]:
    """Replace what differs."""
    found = host.get_fact(Differences, user=user, python=python, _stdin=_question(files))
    if found is None:
        if host.state.is_executing:
            # Never build on what is not known: only a plan may take a machine for empty.
            raise PyinfraError(f"{host.name} did not say which secrets {user} has")
        found = {file.path: "missing" for file in files if file.content is not None}
    due = [file for file in files if file.path in found]
    if not due:
        host.noop(f"{len(files)} files are as declared")
        return
    for file in due:
        told(file.path, found[file.path])
    if tried and tried.path in {file.path for file in due}:
        asked = {"name": tried.name, "value": tried.value.reveal()}
        yield _command(user, 1, python, Unseen(_sent(asked, "credential.py")))
    task = [[file.path, None if file.content is None else file.content.reveal()] for file in due]
    if host.state.is_executing:
        forget()
    yield _command(user, 1, python, Unseen(_sent({"step": "place", "files": task})))


class Differences(FactBase[dict[str, str] | None]):
    """What differs of the files that are asked about, by path; None where nobody can be asked."""

    @staticmethod
    def default() -> dict[str, str] | None:
        """Return None: there is no machine, or no such user yet."""
        return None

    def command(self, user: str, python: str = GUEST_PYTHON) -> StringCommand:
        """Return the command; the question is on its stdin."""
        return _command(user, 0, python)

    def process(self, output: list[str]) -> dict[str, str]:
        """Read the answer, which is on the last line."""
        try:
            answer = json.loads(output[-1])
        except ValueError:
            raise FactProcessError("the machine's answer about its secrets is none") from None
        if not isinstance(answer, dict):
            raise FactProcessError("the machine's answer about its secrets is none")
        return {str(path): str(words) for path, words in answer.items()}


def _question(files: Sequence[SecretFile]) -> Unseen:
    """Ask by an HMAC with a key of this question alone: an answer to another says nothing."""
    key = secrets.token_bytes(32)
    asked = [[file.path, _mac(key, file.content)] for file in files]
    return Unseen(_sent({"step": "compare", "key": key.hex(), "files": asked}))


def _mac(key: bytes, content: Secret | None) -> str | None:
    if content is None:
        return None
    return hmac.new(key, content.reveal().encode(), "sha256").hexdigest()


def _sent(task: Mapping[str, Any], name: str = "secrets.py") -> str:
    program = (resources.files("roles.agent") / "guest" / name).read_text()
    return f"{len(program.encode())}\n{program}{json.dumps(task)}\n"


def _command(
    user: str, without_user: int, python: str, stdin: Unseen | None = None
) -> StringCommand:
    """Return the program as a command; it leaves with `without_user` without user or Python."""
    arguments: dict[str, Any] = {} if stdin is None else {"_stdin": stdin}
    return StringCommand(
        "sh", "-c", QuoteString(RUN), "clawkeep", QuoteString(user),
        QuoteString(str(without_user)), QuoteString(BOOTSTRAP), QuoteString(python), **arguments,
    )  # fmt: skip
