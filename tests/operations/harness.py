"""Runs one of our operations against the raw answers of a data file, on a real pyinfra state.

pyinfra tests its operations with data files of args + facts -> commands. Ours read everything
through one fact, `roles.probe.Survey`, so a data file gives what each *probe* prints and exits
with, and names the commands that must come out:

    args      what the role passes to the operation
    answers   probe name (`*` stands for anything) -> its text, or [text, status], or for the
              survey of what is enforced what `tests.operations.enforcement` makes a text of;
              "pending" for a guest that is not there yet: facts are empty and nothing runs
    commands  the commands in order; `script` may be lines, `$module.NAME` stands for a constant
    stdin     exact text, or {"archive": […]}, {"tree": {…}}, {"plist": {…}}, {"call": {…}}
    noop      what is said when nothing is to do
    log       what is said about each difference
    raises    part of the error, where there is nothing to yield
    secrets   texts that must be on stdin, and nowhere else

What is not written in `answers` and asked for all the same is an error of the test.
"""

from __future__ import annotations

import base64
import importlib
import io
import json
import plistlib
import re
import tarfile
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from pyinfra.api import Config, Inventory, State, StringCommand
from pyinfra.api.command import FunctionCommand, PyinfraCommand, QuoteString
from pyinfra.api.state import StateStage
from pyinfra.connectors.util import CommandOutput, OutputLine
from pyinfra.context import ctx_host, ctx_state

from tests.operations import enforcement

PENDING = "pending"
BEGIN = re.compile(r"(@[0-9a-f]{12}) begin ([^'\"]+)'")

Answers = Mapping[str, Any]


def survey_output(script: str, answers: Answers) -> list[str]:
    """Return what a machine prints for the combined script, its probes answered from `answers`."""
    lines = []
    for mark, name in BEGIN.findall(script):
        text, status = _answer(name, answers)
        lines += [f"{mark} begin {name}", *text.split("\n"), f"{mark} end {status}"]
    return lines


def _answer(name: str, answers: Answers) -> tuple[str, int]:
    for pattern, answer in answers.items():
        if fnmatchcase(name, pattern):
            if isinstance(answer, list):
                text, status = answer
                return "\n".join(text) if isinstance(text, list) else text, int(status)
            if isinstance(answer, dict):
                return enforcement.answer(answer), 0
            return str(answer), 0
    raise KeyError(f"the test gives no answer to the probe {name!r}")


def new_state(*hosts: Any) -> State:
    """Return the state of a run that decides nothing before it executes, as with `-y`."""
    inventory = Inventory((list(hosts), {}))  # type: ignore[no-untyped-call]
    return State(inventory, Config(), check_for_changes=False)  # type: ignore[no-untyped-call]


class Machine:
    """One pyinfra host, the commands that operations yield for it, and what they say."""

    def __init__(self, answers: Answers | str) -> None:
        self.answers = answers
        self.asked = 0
        self.noops: list[str] = []
        self.log: list[str] = []
        self.state = new_state("@fake/mac")
        self.host = self.state.inventory.get_host("@fake/mac")
        self.host.connected = True
        self.host.connector.run_shell_command = self._run  # type: ignore[method-assign]
        self.host.noop = self.noops.append  # type: ignore[assignment, method-assign]
        self.host.log = self._log  # type: ignore[assignment, method-assign]
        self.state.activate_host(self.host)

    def _run(self, command: Any, *_: object, **__: object) -> tuple[bool, CommandOutput]:
        self.asked += 1
        if isinstance(self.answers, str):
            return True, CommandOutput([])
        lines = survey_output(str(command), self.answers)
        return True, CommandOutput([OutputLine("stdout", line) for line in lines])

    def _log(self, message: str, *_: object) -> None:
        self.log.append(message.strip())

    def commands(self, call: Callable[[], object]) -> list[PyinfraCommand]:
        """Return what the operations that `call` adds yield, in a run or, when pending, a plan."""
        with ctx_state.use(self.state), ctx_host.use(self.host):
            self.state.set_stage(StateStage.Prepare)
            call()
            if self.answers != PENDING:
                self.state.set_stage(StateStage.Execute)
                self.state.is_executing = True
            return [
                command
                for op_hash in self.host.op_hash_order
                for command in self.state.get_op_data_for_host(
                    self.host, op_hash
                ).command_generator()
            ]


def described(command: PyinfraCommand) -> dict[str, Any]:
    """Return a command as a data file writes it down."""
    if isinstance(command, FunctionCommand):
        return {"function": command.function.__name__, "args": list(command.args)}
    assert isinstance(command, StringCommand)
    shell, dash_c, script, name, *values = command.bits
    assert (shell, dash_c, name) == ("sh", "-c", "clawkeep")
    data: dict[str, Any] = {"script": _unquoted(script)}
    if values:
        data["values"] = [_unquoted(value) for value in values]
    arguments = dict(command.connector_arguments)
    if arguments.pop("_sudo", False):
        data["sudo"] = True
    if (stdin := arguments.pop("_stdin", None)) is not None:
        data["stdin"] = stdin
    assert arguments == {}
    return data


def _unquoted(bit: object) -> object:
    assert isinstance(bit, QuoteString), f"{bit!r} reaches the shell unquoted"
    return bit.obj


def expected(command: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """Return a data file's command with its references resolved, to compare with `found`."""
    wanted = dict(command)
    if isinstance(script := wanted.get("script"), list):
        wanted["script"] = "\n".join(resolved(line) for line in script)
    elif isinstance(script, str):
        wanted["script"] = resolved(script)
    if isinstance(form := wanted.get("stdin"), dict):
        [kind] = form
        actual = READ_STDIN[kind](str(found.get("stdin", "")))
        assert actual == form[kind]
        wanted["stdin"] = found.get("stdin")
    return wanted


def resolved(line: str) -> str:
    """Return the constant that `$module.NAME` stands for, or the line itself."""
    if not re.fullmatch(r"\$roles(\.[a-z]+)+\.[A-Z_]+", line):
        return line
    module, _, name = line[1:].rpartition(".")
    return str(getattr(importlib.import_module(module), name))


def _archive(stdin: str) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(stdin))) as archive:
        members = archive.getmembers()
        assert [member.name for member in members] == [str(n) for n in range(len(members))]
        assert {member.mode for member in members} <= {0o600}
        return [(archive.extractfile(member) or io.BytesIO()).read().decode() for member in members]


def _plist(stdin: str) -> Any:
    return plistlib.loads(stdin.encode())


def _call(stdin: str) -> Any:
    *program, call, end = stdin.split("\n")
    assert "def main(text):" in program
    assert end == ""
    match = re.fullmatch(r"main\('(.*)'\)", call)
    assert match is not None
    return json.loads(match[1])


def _tree(stdin: str) -> dict[str, str]:
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(stdin))) as archive:
        members = archive.getmembers()
        assert {member.mode for member in members} <= {0o600}
        return {m.name: (archive.extractfile(m) or io.BytesIO()).read().decode() for m in members}


READ_STDIN: dict[str, Callable[[str], Any]] = {
    "archive": _archive, "plist": _plist, "call": _call, "tree": _tree
}  # fmt: skip
