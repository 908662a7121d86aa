"""Every data file beside this one: args and answers in, commands out."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api import StringCommand
from pyinfra.api.command import PyinfraCommand

from tests.operations.calls import CALLS
from tests.operations.harness import PENDING, Machine, described, expected

FOLDER = Path(__file__).parent
CASES = sorted(FOLDER.glob("*/*.json"))


@pytest.fixture(autouse=True)
def _one_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "token_urlsafe", lambda _: "a-new-password")


@pytest.mark.parametrize("path", CASES, ids=[f"{p.parent.name}-{p.stem}" for p in CASES])
def test_the_commands_are_those_of_the_data_file(path: Path) -> None:
    case: dict[str, Any] = json.loads(path.read_text())
    call = CALLS[path.parent.name]
    machine = Machine(case["answers"])
    if message := case.get("raises"):
        with pytest.raises(Exception, match=message):
            machine.commands(lambda: call(case.get("args", {})))
        return
    yielded = machine.commands(lambda: call(case.get("args", {})))
    found = [described(command) for command in yielded]
    wanted = case["commands"]
    assert len(found) == len(wanted), json.dumps(found, indent=2)
    assert found == [expected(w, f) for w, f in zip(wanted, found, strict=True)]
    noop = case.get("noop", [])
    assert machine.noops == ([noop] if isinstance(noop, str) else noop)
    if "log" in case:
        assert machine.log == case["log"]
    for secret in case.get("secrets", ()):
        _only_on_stdin(secret, yielded)


def _only_on_stdin(secret: str, commands: list[PyinfraCommand]) -> None:
    texts = [c for c in commands if isinstance(c, StringCommand)]
    assert any(secret in str(c.connector_arguments.get("_stdin", "")) for c in texts)
    assert not any(secret in c.get_raw_value() for c in texts)


@pytest.mark.parametrize("operation", sorted(CALLS))
def test_an_operation_has_cases_for_nothing_to_do_and_for_a_machine_not_there_yet(
    operation: str,
) -> None:
    cases = [json.loads(path.read_text()) for path in FOLDER.glob(f"{operation}/*.json")]
    assert any("noop" in case and case["commands"] == [] for case in cases)
    assert any(case["answers"] == PENDING for case in cases)


def test_a_data_file_belongs_to_an_operation() -> None:
    assert {path.parent.name for path in CASES} == set(CALLS)
