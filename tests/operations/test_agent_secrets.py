"""The operation that has secrets in the guest: its commands, and that nothing shows a secret.

Not a data file: what it asks and sends is random, and is on stdin alone.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from typing import Any

import pytest
from pyinfra.api import StringCommand
from pyinfra.api.exceptions import PyinfraError
from pyinfra.connectors.util import CommandOutput, OutputLine

from clawkeep.secrets import Secret
from roles.agent.secrets import Credential, SecretFile, placed
from tests.operations.harness import PENDING, Machine

PLANTED = "hunter2-planted"
FILES = [
    SecretFile("/s/.env", Secret(f"T={PLANTED}\n")),
    SecretFile("/s/credentials", Secret("{}")),
    SecretFile("/s/data/env/env", None),
]


class Guest(Machine):
    """A guest that answers which files differ, and notes what it was asked."""

    def __init__(self, differs: Mapping[str, str] | str | None) -> None:
        super().__init__(PENDING if differs == PENDING else {})
        self.differs = differs
        self.questions: list[tuple[str, dict[str, Any]]] = []
        self.host.connector.run_shell_command = self._answer  # type: ignore[method-assign]

    def _answer(
        self, command: StringCommand, *_: object, **arguments: Any
    ) -> tuple[bool, CommandOutput]:
        self.questions.append((command.get_raw_value(), sent(arguments["_stdin"])))
        if self.differs is None or self.differs == PENDING:
            return True, CommandOutput([])
        text = self.differs if isinstance(self.differs, str) else json.dumps(self.differs)
        return True, CommandOutput([OutputLine("stdout", text)])

    def yielded(self) -> list[StringCommand]:
        def call() -> None:
            placed(name="p", user="claw", files=FILES)

        commands = self.commands(call)
        return [c for c in commands if isinstance(c, StringCommand)]


def sent(stdin: Any) -> dict[str, Any]:
    """Return the task behind the program, as the guest would read it."""
    text = "".join(stdin.readlines())
    length, _, rest = text.partition("\n")
    assert rest[: int(length)].startswith('"""Runs in the guest')
    task: dict[str, Any] = json.loads(rest.encode()[int(length) :])
    return task


def test_where_all_is_as_declared_nothing_is_sent() -> None:
    guest = Guest({})
    assert guest.yielded() == []
    assert guest.noops == ["3 files are as declared"]


def test_only_what_differs_is_sent_and_is_said_in_words() -> None:
    guest = Guest({"/s/.env": "content", "/s/data/env/env": "must not be there"})
    [command] = guest.yielded()
    assert sent(command.connector_arguments["_stdin"]) == {
        "step": "place",
        "files": [["/s/.env", f"T={PLANTED}\n"], ["/s/data/env/env", None]],
    }
    assert guest.log == ["/s/.env: content", "/s/data/env/env: must not be there"]


def test_the_question_holds_a_keyed_hash_with_another_key_each_time() -> None:
    first, second = Guest({}), Guest({})
    first.yielded()
    second.yielded()
    [(_, asked)], [(_, again)] = first.questions, second.questions
    mac = hmac.new(bytes.fromhex(asked["key"]), f"T={PLANTED}\n".encode(), "sha256").hexdigest()
    assert asked["files"][0] == ["/s/.env", mac]
    assert asked["files"][2] == ["/s/data/env/env", None]
    assert asked["key"] != again["key"]
    assert PLANTED not in json.dumps(asked)


def test_neither_secrets_nor_hashes_are_in_a_command_or_in_what_shows_it() -> None:
    guest = Guest({"/s/.env": "content"})
    [command] = guest.yielded()
    [(question, asked)] = guest.questions
    shown = question + command.get_raw_value() + str(command) + repr(command.connector_arguments)
    for hidden in (PLANTED, asked["key"], asked["files"][0][1]):
        assert hidden not in shown
    assert "-u claw" not in question  # the user is a value, quoted, not part of the script
    assert "claw" in question


def test_a_plan_for_a_guest_that_is_not_there_places_every_file_there_is_to_be() -> None:
    guest = Guest(PENDING)
    [command] = guest.yielded()
    task = sent(command.connector_arguments["_stdin"])
    assert [path for path, _ in task["files"]] == ["/s/.env", "/s/credentials"]


def test_a_run_that_gets_no_answer_sends_nothing() -> None:
    with pytest.raises(PyinfraError, match="did not say which secrets claw has"):
        Guest(None).yielded()


@pytest.mark.parametrize("answer", ["Last login: today", "[]", "null"])
def test_an_answer_that_is_none_is_not_taken_for_nothing_to_do(answer: str) -> None:
    with pytest.raises(PyinfraError):
        Guest(answer).yielded()


def test_a_credential_that_is_to_change_is_shown_to_the_model_before_anything_is_replaced() -> None:
    tried = Credential("ANTHROPIC_API_KEY", Secret(PLANTED), "/s/credentials")

    def commands(differs: dict[str, str]) -> list[StringCommand]:
        guest = Guest(differs)
        call = lambda: placed(name="p", user="claw", files=FILES, tried=tried)  # noqa: E731
        return [c for c in guest.commands(call) if isinstance(c, StringCommand)]

    ask, replace = commands({"/s/credentials": "content"})
    text = "".join(ask.connector_arguments["_stdin"].readlines())
    assert json.loads(text.splitlines()[-1]) == {"name": "ANTHROPIC_API_KEY", "value": PLANTED}
    assert PLANTED not in str(ask) + repr(ask.connector_arguments)
    assert sent(replace.connector_arguments["_stdin"])["step"] == "place"
    assert len(commands({"/s/.env": "content"})) == 1
    assert commands({}) == []
