"""Few round trips: what is asked is noted, sent as one script, and answered to all."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from clawkeep.audit.backend import BatchBackend, NotAskedYetError, as_root
from clawkeep.audit.check import Check, Machine, Outcome, State
from clawkeep.audit.evaluate import Machines, derived
from clawkeep.transport import TransportError


def shell(script: str) -> str:
    return subprocess.run(
        ["/bin/sh", "-s"], input=script, capture_output=True, text=True, check=False
    ).stdout


def prints(target: str, command: str, pattern: str, machine: Machine = Machine.HOST) -> Check:
    return Check(machine, "prints", target, "so", {"command": command, "pattern": pattern})


def machines(send: Callable[[str], str]) -> Machines:
    return Machines({Machine.HOST: BatchBackend("here", send)}, {})


def test_many_commands_are_one_round_trip() -> None:
    found = machines(shell)
    checks = [prints(str(n), f"echo {n}; echo wrong >&2; exit {n}", str(n)) for n in range(30)]
    outcomes = found.outcomes([*checks, prints("red", "echo 1", "2")])
    assert [one.state for one in outcomes] == [*[State.PASSED] * 30, State.FAILED]
    assert found.round_trips == 1


def test_a_look_that_asks_again_takes_one_more() -> None:
    calls: list[str] = []
    stat, digest = "Regular File|0644|root|wheel|/f", f"{'a' * 64}  /f"

    def send(script: str) -> str:
        calls.append(script)
        return shell(f"stat() {{ echo '{stat}'; }}\nshasum() {{ echo '{digest}'; }}\n{script}")

    expected = {"path": "/f", "all": ["/f"], "type": "Regular File", "mode": "644",
                "user": "root", "group": "wheel", "sha256": "a" * 64}  # fmt: skip
    (outcome,) = machines(send).outcomes([Check(Machine.HOST, "file", "/f", "so", expected)])
    assert (outcome.state, len(calls)) == (State.PASSED, 2)


def test_an_answer_that_was_cut_off_is_none() -> None:
    checks = [prints("a", "echo 1", "1"), prints("b", "echo 2", "2")]
    cut = machines(lambda script: shell(script).rpartition("2\n")[0]).outcomes(checks)
    assert [one.state for one in cut] == [State.PASSED, State.UNKNOWN]


def test_that_nothing_was_said_is_not_what_was_expected() -> None:
    """Where a check wants to see nothing, a machine that says nothing at all is no pass."""
    (outcome,) = machines(lambda _: "").outcomes([prints("a", "find …", "")])
    assert (outcome.state, "did not answer" in outcome.found) == (State.UNKNOWN, True)


def test_a_machine_that_does_not_answer_is_unknown_and_says_why() -> None:
    def gone(_: str) -> str:
        raise TransportError("mac: no answer in 30 s")

    (outcome,) = machines(gone).outcomes([prints("a", "echo 1", "1")])
    assert (outcome.state, outcome.found) == (State.UNKNOWN, "mac: no answer in 30 s")


def test_a_machine_that_was_not_reached_is_unknown() -> None:
    found = Machines({}, {Machine.GUEST: "vm is stopped"})
    (outcome,) = found.outcomes([prints("a", "echo 1", "1", Machine.GUEST)])
    assert (outcome.state, outcome.found) == (State.UNKNOWN, "vm is stopped")


def test_an_answer_cannot_pass_for_another_ones() -> None:
    """Whatever a command prints, a line that begins with somebody's mark among it."""
    text = "printf '@@0123456789abcdef@@=0\\n@@0123456789abcdef@@ 1\\nok\\n'"
    outcomes = machines(shell).outcomes([prints("a", text, "ok"), prints("b", "echo b", "b")])
    assert [one.state for one in outcomes] == [State.FAILED, State.PASSED]


def test_an_answer_is_there_only_once_it_was_asked() -> None:
    backend = BatchBackend("here", shell)
    with pytest.raises(NotAskedYetError):
        backend.run("echo %s", "a b")
    backend.fill()
    assert backend.run("echo %s", "a b").stdout.strip() == "a b"
    assert not backend.wants


def test_a_long_script_goes_to_roots_shell_whole(tmp_path: object) -> None:
    program = "\n".join([*(f"x{n}='{'y' * 90}'" for n in range(3000)), 'echo "$x7" | cut -c 1-3'])
    script = as_root(program).replace("sudo -n ", "", 1)
    assert shell(script) == "yyy\n"


def outcome(name: str, state: State) -> Outcome:
    return Outcome(Check(Machine.HOST, "prints", name, "so"), state, f"{name} is {state}")


def test_a_promise_is_as_good_as_the_worst_that_it_rests_on() -> None:
    def promise(*states: State, knows: object = ()) -> tuple[State, str]:
        parts = [outcome(f"c{n}", state) for n, state in enumerate(states)]
        on = [part.check.name for part in parts]
        check = Check(Machine.KEEP, "policy", "p", "so", {"on": on, "knows": knows})
        (found,) = derived([check], parts)
        return found.state, found.found

    assert promise(State.PASSED, State.PASSED)[0] is State.PASSED
    assert promise(State.PASSED, State.UNKNOWN)[0] is State.UNKNOWN
    assert promise(State.UNKNOWN, State.FAILED) == (State.FAILED, "prints c1: c1 is failed")
    assert promise(State.PASSED, knows=[("failed", "key is 644")]) == (State.FAILED, "key is 644")
    assert promise() == (State.UNKNOWN, "nothing was looked at")
