"""The host's logs on the operator's side: followed, over an absence, and as they are printed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from clawkeep import cli, hostlogs
from clawkeep.agent.logs import Note
from clawkeep.hostlogs import Entry, read
from clawkeep.onhost import log_sources
from clawkeep.remote import Outcome
from clawkeep.transport import TransportError

T = 1_800_000_000.25


def answer(*texts: str, cursor: str = "c1", status: int = 0, stderr: str = "") -> Outcome:
    rows: list[dict[str, Any]] = [
        {"t": T + n, "source": "guard", "log": "events.jsonl", "text": text, "dated": n % 2 == 0}
        for n, text in enumerate(texts)
    ]
    lines = [json.dumps(row) for row in [*rows, {"cursor": cursor}]]
    return Outcome(status, "\n".join(lines) + "\n", stderr)


class Host:
    """A host that gives these answers in turn; an exception is no answer."""

    def __init__(self, *answers: Outcome | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[list[str]] = []
        self.sessions = 0

    def session(self, _: object) -> Any:
        self.sessions += 1
        return SimpleNamespace(close=lambda: None, target=SimpleNamespace(name="mac"))

    def on_host(self, _: object, words: Sequence[str], timeout_s: float) -> Outcome:
        self.asked.append(list(words))
        found = self.answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    made = Host()
    monkeypatch.setattr(hostlogs, "HostSession", made.session)
    monkeypatch.setattr(hostlogs, "on_host", made.on_host)
    monkeypatch.setenv("CLAWKEEP_HOST", "me@mac")
    return made


def follow(host: Host, count: int) -> list[Entry | Note]:
    found = read(SimpleNamespace(), None, ["--ago", "60"], follow=True, sleep=lambda _: None)  # type: ignore[arg-type]
    return [next(found) for _ in range(count)]


def test_following_goes_on_where_the_last_answer_ended_on_one_connection(host: Host) -> None:
    host.answers = [answer("one"), answer(cursor="c1"), answer("two", cursor="c2")]
    texts = [each.text for each in follow(host, 2)]
    assert texts == ["one", "two"]
    assert [words[2:] for words in host.asked] == [
        ["--ago", "60"], ["--cursor", "c1"], ["--cursor", "c1"],
    ]  # fmt: skip
    assert host.sessions == 1


def test_a_host_that_is_away_is_waited_for_and_said_once(host: Host) -> None:
    host.answers = [answer("one"), TransportError("gone"), TransportError("gone"), answer("two")]
    found = follow(host, 3)
    assert [type(each).__name__ for each in found] == ["Entry", "Note", "Entry"]
    assert found[1].text == "gone; waiting for the host"
    assert host.asked[-1][2:] == ["--cursor", "c1"]


def test_without_following_it_is_an_error(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    host.answers = [TransportError("mac: no SSH")]
    assert cli.main(["logs"]) == 2
    assert "mac: no SSH" in capsys.readouterr().err
    host.answers = [Outcome(64, "", "usage\n")]
    assert cli.main(["logs"]) == 2


def test_what_is_printed(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    host.answers = [answer("one \x1b[31m", "two")]
    assert cli.main(["logs", "guard", "--since", "15m"]) == 0
    assert host.asked == [["logs", "show", "--source", "guard", "--ago", "900"]]
    first, second = capsys.readouterr().out.splitlines()
    assert first[23:] == " guard    one \ufffd[31m"
    assert second[23:] == "~guard    two"
    host.answers = [answer("one", status=1, stderr="x.log: lost\n")]
    assert cli.main(["logs", "--json"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out) == {
        "t": T, "source": "guard", "log": "events.jsonl", "text": "one", "dated": True,
    }  # fmt: skip
    assert "x.log: lost" in err


@pytest.mark.parametrize("words", [["--raw"], ["--since", "yesterday"]])
def test_what_makes_no_sense(host: Host, words: list[str]) -> None:
    assert cli.main(["logs", *words]) == 2
    assert host.asked == []


def test_nonsense_of_a_host_is_passed_over(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    host.answers = [Outcome(0, 'x\n[1]\n{"t": "x"}\n{"cursor": "c"}\n', "")]
    assert cli.main(["logs"]) == 0
    assert capsys.readouterr().out == ""
    assert hostlogs.SOURCES == log_sources.SOURCES
