"""`clawkeep traffic` on both sides: what is passed on, refused and answered."""

from __future__ import annotations

import json
import os
from functools import partial

import pytest

from clawkeep import cli
from clawkeep.cli import traffic as operators
from clawkeep.onhost import traffic, traffic_collect
from clawkeep.onhost.traffic_collect import collect
from clawkeep.traffic.arguments import MAX_LIMIT
from tests.unit.traffic.conftest import Host, connection


@pytest.fixture
def passed(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What the operator's side sent to the host."""
    sent: list[list[str]] = []

    def pass_on(arguments: list[str], timeout_s: float) -> int:
        sent.append(arguments)
        return 0

    monkeypatch.setattr(operators, "pass_on", pass_on)
    return sent


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ([], ["show", "--since=24h", "--limit=200"]),
        (
            ["--denied", "--service", "vaultwarden", "--since", "7d", "--limit", "5", "--json"],
            ["show", "--since=7d", "--limit=5", "--denied", "--service=vaultwarden", "--json"],
        ),
        (["digest"], ["digest"]),
        (["digest", "--day", "2026-11-21", "--json"], ["digest", "--day", "2026-11-21", "--json"]),
    ],
)
def test_what_the_operator_types_is_what_the_host_understands(
    passed: list[list[str]], typed: list[str], sent: list[str]
) -> None:
    assert cli.main(["traffic", *typed]) == 0
    assert passed == [["traffic", *sent]]
    assert vars(traffic._parser().parse_args(sent))["json"] is ("--json" in typed)


@pytest.mark.parametrize(
    "typed",
    [
        ["--since", "yesterday"],
        ["--limit", "0"],
        ["--limit", str(MAX_LIMIT + 1)],
        ["--service", "a;b"],
        ["--day", "2026-11-21"],
        ["digest", "--day", "21.11.2026"],
    ],
)
def test_what_makes_no_sense_never_reaches_the_host(
    passed: list[list[str]], capsys: pytest.CaptureFixture[str], typed: list[str]
) -> None:
    assert cli.main(["traffic", *typed]) == 2
    assert passed == []
    assert capsys.readouterr().err.startswith("clawkeep traffic: ")


@pytest.fixture
def installed(host: Host, monkeypatch: pytest.MonkeyPatch) -> Host:
    """The host's verb, with its folders in the test's."""
    base = host.path.parent
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(traffic, "LOCK", base / "lock")
    monkeypatch.setattr(traffic, "journal", host.journal)
    monkeypatch.setattr(traffic, "collect", partial(collect, folder=host.folder))
    monkeypatch.setattr(traffic_collect, "_pfctl", host.pf)
    return host


def test_show_has_what_happened_a_moment_ago(
    installed: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    installed.log("bridge-ha.log", connection(11))
    assert traffic.main(["show", "--since", "2020-01-01", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["service"], row["verdict"], row["bytes_in"]) == ("ha", "allowed", None)
    assert traffic.main(["show", "--since", "2020-01-01", "--service", "other"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_a_digest_of_a_day(installed: Host, capsys: pytest.CaptureFixture[str]) -> None:
    installed.log("bridge-ha.log", connection(11, at="12:00:00"))
    assert traffic.main(["digest", "--day", "2026-11-21"]) == 0
    assert capsys.readouterr().out.startswith("Traffic of 2026-11-21: 1 connections, 0 failed")
    assert traffic.main(["digest", "--day", "2026-11-21", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["totals"][0]["service"] == "ha"


def test_wrong_words_are_usage_errors(installed: Host) -> None:
    assert traffic.main([]) == 64
    assert traffic.main(["show", "--since", "soon"]) == 64
    assert traffic.main(["digest", "--day", "soon"]) == 64
    assert traffic.main(["show", "--help"]) == 0


def test_only_root_may(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 501)
    assert traffic.main(["show"]) == 1
    assert "use sudo" in capsys.readouterr().err


def test_a_problem_is_one_event_until_it_is_over(
    installed: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(anchor: str) -> str:
        raise OSError("no pfctl")

    events = installed.path.parent / "events.jsonl"
    with monkeypatch.context() as broken:
        broken.setattr(traffic_collect, "_pfctl", fail)
        assert [traffic.main(["collect"]) for _ in range(3)] == [1, 1, 1]
    assert [traffic.main(["collect"]) for _ in range(2)] == [0, 0]
    texts = [json.loads(line)["text"] for line in events.read_text().splitlines()]
    assert len(texts) == 2
    assert "no pfctl" in texts[0]
    assert texts[1] == "the traffic log is complete again"
