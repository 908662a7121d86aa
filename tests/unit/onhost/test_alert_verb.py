"""`clawkeep alert` on the host."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clawkeep.alerts import Outcome
from clawkeep.onhost import alert, paths
from tests.unit.onhost.alert_host import AlertHost, prepared


@pytest.fixture
def alerting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AlertHost:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    return prepared(tmp_path, monkeypatch)


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = alert.main(words)
    out, err = capsys.readouterr()
    return status, out, err


def test_an_alert_of_a_job_is_raised_listed_silenced_and_cleared(
    alerting: AlertHost, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(capsys, "list")[0] == 0
    assert said(capsys, "raise", "backup", "no backup", "--severity", "critical")[0] == 0
    status, out, _ = said(capsys, "list")
    assert status == 1
    assert "critical  backup" in out
    assert "chat.example, 1 wait" in out
    assert "chat.example/hook" not in out
    status, out, _ = said(capsys, "silence", "backup", "--for", "2h", "--reason", "I know")
    assert (status, out[:30]) == (0, "backup: nobody is told until 2"[:30])
    status, out, _ = said(capsys, "list", "--json")
    data = json.loads(out)
    assert status == 0
    assert [(s["key"], s["reason"]) for s in data["silences"]] == [("backup", "I know")]
    assert data["hooks"][0]["waiting"] == 0
    assert said(capsys, "silence", "backup", "--end")[0] == 0
    assert said(capsys, "silence", "backup", "--end")[0] == 1
    assert said(capsys, "clear", "backup")[0] == 0
    assert said(capsys, "clear", "backup") == (
        1, "", "clawkeep alert: no alert 'backup' stands\n",
    )  # fmt: skip
    assert "over      backup" in said(capsys, "list")[1]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["raise", "Not A Key", "x"], "is no key"),
        (["silence", "nothing", "--for", "2h"], "there is no alert 'nothing'"),
        (["silence", "all", "--for", "2 hours"], "is no span"),
        (["silence", "all", "--for", "31d"], "at most 30d"),
        (["silence", "all"], "say for how long"),
        (["test", "pigeon"], "no hook is called 'pigeon'; declared: chat"),
    ],
)
def test_what_makes_no_sense(
    alerting: AlertHost, capsys: pytest.CaptureFixture[str], words: list[str], why: str
) -> None:
    status, out, err = said(capsys, *words)
    assert (status, out) == (64, "")
    assert why in err


def test_a_test_says_what_became_of_it(
    alerting: AlertHost, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = said(capsys, "test")
    assert status == 0
    assert out.startswith("chat           chat.example: taken in ")
    alerting.answer = Outcome("retry", "chat.example answered 404 Not Found")
    status, out, _ = said(capsys, "test")
    assert (status, out) == (
        1, "chat           chat.example: NOT taken: chat.example answered 404 Not Found\n",
    )  # fmt: skip


def test_without_a_hook_a_test_cannot_be_well(
    alerting: AlertHost, capsys: pytest.CaptureFixture[str]
) -> None:
    paths.HOOKS.unlink()
    assert said(capsys, "test")[0] == 2
    status, _, err = said(capsys, "list")
    assert status == 0
    assert "no hook is declared" in err


def test_a_damaged_file_is_said_without_its_content(
    alerting: AlertHost, capsys: pytest.CaptureFixture[str]
) -> None:
    paths.HOOKS.write_text('{"hooks": [{"url": "https://x/very-secret"')
    status, _, err = said(capsys, "list")
    assert status == 2
    assert "converge again" in err
    assert "very-secret" not in err


def test_nobody_but_root(
    alerting: AlertHost, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 501)
    assert said(capsys, "list")[0] == 77
