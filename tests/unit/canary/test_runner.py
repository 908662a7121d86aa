"""The host's verb: what it does when it cannot run, runs twice, or finds another verdict."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clawkeep import ifconfig
from clawkeep.canary.judge import Result, Row
from clawkeep.link import Link
from clawkeep.onhost import canary, maintenance, paths, store, world
from clawkeep.onhost.scene import NoGuestError, Scene
from clawkeep.policy import Door, Openings, Policy, PolicyError

pytestmark = pytest.mark.usefixtures("own_journal_and_clock")

LINK = Link.of("bridge100", "192.168.64.1", "24", "192.168.64.2")
SCENE = Scene(LINK, "", ())
GREEN = Result(
    "green", probes=(Row("door a", "answer", "answered", "spoke", 3, "0"),), reached=True
)
OPEN = Openings(doors=(Door("a", 18001, "10.0.30.5", 80),))


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host whose files are in a folder of the test's, with a guest that is green."""
    monkeypatch.setattr(paths, "RUN", tmp_path)
    monkeypatch.setattr(paths, "CANARY", tmp_path / "canary.json")
    monkeypatch.setattr(paths, "EVENTS", tmp_path / "events.jsonl")
    monkeypatch.setattr(canary, "LOCK", tmp_path / "canary.lock")
    monkeypatch.setattr(canary, "SETTLE_S", 0)
    monkeypatch.setattr("clawkeep.onhost.sock.ask", lambda *_, **__: {"ok": True})
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(world, "policy", lambda: Policy("", "keep", "me", 501, "/", "_clawkeep"))
    monkeypatch.setattr(canary, "opened_now", lambda: OPEN)
    monkeypatch.setattr(canary, "scene", lambda _: SCENE)
    monkeypatch.setattr(canary, "_probe", lambda *_: GREEN)
    return tmp_path


def left(host: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((host / "canary.json").read_text())
    return data


def events(host: Path) -> list[tuple[str, str]]:
    lines = (host / "events.jsonl").read_text().splitlines()
    return [(event["kind"], event["text"]) for event in map(json.loads, lines)]


def raising(error: Exception) -> Callable[..., Any]:
    def function(*_: Any) -> Any:
        raise error

    return function


def test_a_run_leaves_its_result_for_the_guard(
    host: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert canary.main(["--json"]) == 0
    data = left(host)
    assert json.loads(capsys.readouterr().out) == data
    assert abs(data["t"] - time.time()) < 60
    assert {k: data[k] for k in ("verdict", "leaks", "unable", "via", "guest")} == {
        "verdict": "green",
        "leaks": [],
        "unable": [],
        "via": "agent",
        "guest": "192.168.64.2",
    }


def test_a_scheduled_run_says_nothing_and_exits_0(
    host: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(canary, "_probe", lambda *_: Result("red", leaks=("a leak",)))
    assert canary.main(["--scheduled"]) == 0
    assert capsys.readouterr().out == ""
    assert left(host)["leaks"] == ["a leak"]
    assert canary.main([]) == 1


def test_the_last_result_is_shown_and_nothing_runs(
    host: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(canary, "_probe", raising(AssertionError("it ran")))
    assert canary.main(["--last"]) == 2
    assert "it has not run since the Mac started" in capsys.readouterr().err
    (host / "canary.json").write_text('{"verdict": "green", "t": 7}')
    assert canary.main(["--last"]) == 0
    assert json.loads(capsys.readouterr().out) == {"verdict": "green", "t": 7}
    assert left(host)["t"] == 7


def test_only_a_change_of_the_verdict_is_an_event(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for result in (GREEN, GREEN, Result("red", leaks=("22 answers\x1b[2J",)), GREEN):
        monkeypatch.setattr(canary, "_probe", lambda *_, result=result: result)
        canary.main(["--scheduled"])
    assert events(host) == [
        ("canary", "the canary is green"),
        ("leak", "the canary is red: 22 answers?[2J"),
        ("canary", "the canary is green"),
    ]


def test_a_damaged_result_of_before_is_replaced(host: Path) -> None:
    for damaged in ("", "[]", "{", '"x"'):
        (host / "canary.json").write_text(damaged)
        assert canary.main(["--scheduled"]) == 0
        assert left(host)["verdict"] == "green"


@pytest.mark.parametrize(
    "error",
    [
        ifconfig.LinkError("no bridge"),
        OSError("no tart"),
        TimeoutError("too late"),
    ],
)
def test_what_cannot_run_is_red(
    host: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(canary, "scene", raising(error))
    assert canary.main([]) == 2
    assert left(host)["verdict"] == "red"
    assert str(error) in left(host)["unable"][0]


def test_without_a_policy_it_is_red(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "policy", raising(PolicyError("policy.json is missing")))
    assert canary.main([]) == 2
    assert left(host)["unable"] == ["policy.json is missing"]


def test_without_a_guest_it_is_absent(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canary, "scene", raising(NoGuestError("keep is not running")))
    assert canary.main([]) == 2
    assert (left(host)["verdict"], left(host)["unable"]) == ("absent", [])


def test_a_run_that_hangs_ends_by_itself(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canary, "DEADLINE_S", 1)
    monkeypatch.setattr(canary, "scene", lambda _: time.sleep(30))
    started = time.monotonic()
    assert canary.main(["--scheduled"]) == 0
    assert time.monotonic() - started < 10
    assert "did not end in 1 s" in left(host)["unable"][0]


def test_a_result_that_cannot_be_left_is_no_leak(
    host: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(store, "write", raising(OSError(28, "No space left on device")))
    assert canary.main([]) == 2
    assert "No space left" in capsys.readouterr().err


def test_without_root_nothing_happens(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 501)
    assert canary.main([]) == 77
    assert not (host / "canary.json").exists()


def changing(*moments: Openings) -> Callable[[], Openings]:
    left_over = iter(moments)
    return lambda: next(left_over)


def test_a_run_during_which_doors_changed_is_run_again(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Openings] = []

    def probe(openings: Openings, *_: Any) -> Result:
        seen.append(openings)
        return GREEN

    monkeypatch.setattr(canary, "_probe", probe)
    monkeypatch.setattr(canary, "opened_now", changing(Openings(), OPEN, OPEN, OPEN))
    assert canary.main([]) == 0
    assert seen == [Openings(), OPEN]


def test_doors_that_change_all_the_time_are_never_green(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(canary, "opened_now", changing(Openings(), OPEN, Openings(), OPEN))
    assert canary.main([]) == 2
    assert left(host)["unable"] == ["what is open changed during the run"]


def test_rules_loaded_during_the_run_have_it_run_again(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reloaded = "pf's counters prove nothing: the rules were loaded anew during the run"
    results: Iterator[Result] = iter([Result("red", unable=(reloaded,)), GREEN])
    monkeypatch.setattr(canary, "_probe", lambda *_: next(results))
    assert canary.main([]) == 0


PROXY = "gateway 192.168.64.1:3128/tcp: connected"
SSHD = "gateway 192.168.64.1:22/tcp: connected"
DECOY = "decoy on the gateway, TCP: reached from 192.168.64.2"


@pytest.mark.parametrize(
    ("runs", "leaks"),
    [
        # A window has ended and pf follows: by the second run it has.
        ([Result("red", leaks=(PROXY,)), GREEN], []),
        # It has not: whatever it was, it is open.
        ([Result("red", leaks=(PROXY,)), Result("red", leaks=(PROXY,))], [PROXY]),
        # These never were doors: once is enough.
        ([Result("red", leaks=(SSHD,)), GREEN], [SSHD]),
        ([Result("red", leaks=(PROXY, DECOY)), GREEN], [PROXY, DECOY]),
    ],
)
def test_only_what_may_have_been_a_door_a_moment_ago_is_asked_again(
    host: Path, monkeypatch: pytest.MonkeyPatch, runs: list[Result], leaks: list[str]
) -> None:
    results = iter(runs)
    monkeypatch.setattr(canary, "_probe", lambda *_: next(results))
    canary.main(["--scheduled"])
    assert left(host)["leaks"] == leaks


def test_what_stands_in_a_result_is_read_back_as_it_was_written(host: Path) -> None:
    canary.main(["--scheduled"])
    assert store.read(paths.CANARY) == json.dumps(left(host)) + "\n"


@pytest.mark.parametrize(("leaks", "verdict"), [((), "absent"), (("x",), "red")])
def test_a_guest_that_is_ended_on_purpose_is_no_alarm_but_a_leak_is(
    host: Path, monkeypatch: pytest.MonkeyPatch, leaks: tuple[str, ...], verdict: str
) -> None:
    said = Result("red", leaks=leaks, unable=("it did not answer",))
    monkeypatch.setattr(canary, "_probe", lambda *_: said)
    monkeypatch.setattr(maintenance, "FILE", host / "maintenance.json")
    canary.main(["--scheduled"])
    assert left(host)["verdict"] == "red"
    with maintenance.doing("snapshot of a night"):
        canary.main(["--scheduled"])
    found = left(host)
    assert (found["verdict"], found["leaks"]) == (verdict, list(leaks))
    assert ("snapshot of a night" in found["notes"]) == (verdict == "absent")
