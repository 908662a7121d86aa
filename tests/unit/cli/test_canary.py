"""`clawkeep canary`: the table, the exit status, and the way over SSH."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from clawkeep import cli
from clawkeep.cli import canary
from clawkeep.remote import Outcome
from clawkeep.transport import TransportError

GREEN: dict[str, Any] = {
    "verdict": "green", "leaks": [], "unable": [], "failed": [], "notes": [], "probes": [],
    "reached": True, "guest": "192.168.64.2", "via": "agent", "ms": 1,
}  # fmt: skip
MUTE = {**GREEN, "verdict": "red", "unable": ["no agent"], "reached": False}


class Session:
    """A host that answers `--converse` with a program, then with a result."""

    def __init__(self, *lines: dict[str, Any]) -> None:
        self.lines = [json.dumps(line) for line in lines]
        self.replies: list[str] = []

    def dialogue(self, command: str, reply: Callable[[str], str], timeout_s: float) -> str:
        assert command == "sudo -n /opt/clawkeep/bin/clawkeep canary --converse"
        self.replies.append(reply(self.lines[0]))
        return self.lines[1]

    def guest(self, name: str, address: str) -> Any:
        assert (name, address) == ("keep", "192.168.64.2")
        return self

    def close(self) -> None:
        pass


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Any]], None]:
    def answers(result: dict[str, Any]) -> None:
        outcome = Outcome(0, json.dumps(result), "")
        monkeypatch.setattr(canary, "on_host", lambda *_: outcome)
        monkeypatch.setattr(canary, "exchange", lambda _, __, program, *___: f"ran {program}")

    return answers


def ask(session: Session, *, ssh: bool = False) -> dict[str, Any]:
    return canary._ask(session, "keep", ssh=ssh)  # type: ignore[arg-type]


def test_an_answer_by_the_agent_needs_no_ssh(host: Callable[[dict[str, Any]], None]) -> None:
    host(GREEN)
    assert ask(Session()) == GREEN


def test_the_last_result_is_shown_with_its_time_and_runs_nothing(
    project: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[list[str]] = []

    def on_host(_: object, words: list[str], *__: object) -> Outcome:
        asked.append(words)
        return Outcome(0, json.dumps({**GREEN, "t": 86400.0 * 365}), "")

    monkeypatch.setenv("CLAWKEEP_HOST", "alice@mac")
    monkeypatch.setattr(canary, "HostSession", lambda _: Session())
    monkeypatch.setattr(canary, "on_host", on_host)
    assert cli.main(["canary", "--last"]) == 0
    assert asked == [["canary", "--last"]]
    assert "that was at 197" in capsys.readouterr().err


def test_without_an_agent_the_hosts_own_program_goes_by_ssh(
    host: Callable[[dict[str, Any]], None],
) -> None:
    host(MUTE)
    session = Session({"guest": "192.168.64.2", "program": "probe"}, {**GREEN, "via": "ssh"})
    assert ask(session)["via"] == "ssh"
    assert session.replies == ["ran probe"]


def test_a_host_that_cannot_begin_is_the_result(host: Callable[[dict[str, Any]], None]) -> None:
    host(MUTE)
    early = {**MUTE, "unable": ["no decoys"]}
    assert ask(Session(early), ssh=True)["unable"] == ["no decoys"]


@pytest.mark.parametrize("change", [{"verdict": "absent"}, {"guest": None}])
def test_without_a_guest_ssh_is_not_tried(
    host: Callable[[dict[str, Any]], None], change: dict[str, Any]
) -> None:
    host({**MUTE, **change})
    assert ask(Session()) == {**MUTE, **change}


@pytest.mark.parametrize("text", ["", "clawkeep: unknown verb", "[]", '{"verdict": "green"}'])
def test_anything_else_is_an_error(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(canary, "on_host", lambda *_: Outcome(0, text, ""))
    with pytest.raises(TransportError):
        ask(Session())


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, 0),
        ({"verdict": "degraded", "failed": ["door a"]}, 1),
        ({"verdict": "red", "leaks": ["22 answers"]}, 1),
        ({"verdict": "red", "unable": ["no agent"]}, 2),
        ({"verdict": "absent"}, 2),
        ({"verdict": "purple"}, 2),
    ],
)
def test_the_exit_status_follows_the_verdict(change: dict[str, Any], status: int) -> None:
    assert canary.exit_status({**GREEN, **change}) == status


def test_what_is_wrong_stands_first_in_the_table() -> None:
    def row(name: str, expected: str, outcome: str, ms: int | None = 3) -> dict[str, Any]:
        shown = {"name": name, "expected": expected, "outcome": outcome}
        return {**shown, "evidence": "seen", "ms": ms}

    lines = canary.table(
        [
            row("door a", "answer", "answered"),
            row("door b", "answer", "silent"),
            row("gateway:22", "silence", "answered"),
            row("gateway:80", "silence", "error", None),
            row("gateway:88", "silence", "silent"),
        ]
    )
    assert [line.split() for line in lines] == [
        ["PROBE", "EXPECTED", "GOT", "MS", "EVIDENCE"],
        ["FAILED", "door", "b", "answer", "silent", "3", "seen"],
        ["LEAK", "gateway:22", "silence", "answered", "3", "seen"],
        ["BROKEN", "gateway:80", "silence", "error", "-", "seen"],
        ["ok", "door", "a", "answer", "answered", "3", "seen"],
        ["ok", "gateway:88", "silence", "silent", "3", "seen"],
    ]
    assert (
        len(
            {line.index("EVIDENCE") if "EVIDENCE" in line else line.index("seen") for line in lines}
        )
        == 1
    )
