"""The survey: many questions in one command, through a real shell."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyinfra.api.exceptions import FactProcessError, PyinfraError
from pyinfra.context import ctx_host, ctx_state

from roles import probe
from roles.base import account, runtime
from roles.probe import Answer, Probe, Script, Survey
from tests.operations.harness import PENDING, Machine

SUDO = '#!/bin/sh\nshift 2\necho "$@" >> "$SUDO_LOG"\nexec "$@"\n'
NO_SUDO = "#!/bin/sh\necho 'sudo: a password is required' >&2\nexit 1\n"


def ask(folder: Path, *probes: Probe[object], sudo: str = SUDO) -> dict[str, Answer]:
    """Return the answers of a real /bin/sh, with a `sudo` of our own on its PATH."""
    (folder / "sudo").write_text(sudo)
    (folder / "sudo").chmod(0o755)
    survey = Survey()
    text = survey.command(script=Script(list(probes)))
    done = subprocess.run(
        ["/bin/sh", "-c", text],
        env={"PATH": f"{folder}:{os.environ['PATH']}", "SUDO_LOG": str(folder / "log")},
        capture_output=True,
        text=True,
        check=True,
    )
    return survey.process(done.stdout.removesuffix("\n").split("\n"))


def question(script: str, name: str = "q", *, sudo: bool = False) -> Probe[object]:
    return Probe(name, script, lambda answer: answer, sudo=sudo)


@pytest.mark.parametrize(
    ("script", "text", "status"),
    [
        ("echo one", "one", 0),
        ("printf 'no newline at its end'", "no newline at its end", 0),
        ("printf 'one\\n\\n two\\n'", "one\n\n two", 0),
        ("printf '\\n\\nafter blank lines'", "\n\nafter blank lines", 0),
        ("true", "", 0),
        ("false", "", 1),
        ("echo before; exit 7; echo after", "before", 7),
        ("echo noise >&2; echo answer", "answer", 0),
        ("no-such-command", "", 127),
        ("set -e; false; echo after", "", 1),
        ("""echo "it's $((1 + 1))" '"quoted"'""", 'it\'s 2 "quoted"', 0),
        ("echo end # of the line", "end", 0),
        ("cd /; x=left", "", 0),
    ],
)
@pytest.mark.parametrize("sudo", [False, True])
def test_a_probe_is_answered_with_all_its_text_and_its_status(
    tmp_path: Path, script: str, text: str, status: int, sudo: bool
) -> None:
    answers = ask(tmp_path, question(script, "a b/c.d", sudo=sudo), question("echo next", "n"))
    assert answers["a b/c.d"] == Answer(text, status, asked=True)
    assert answers["n"] == Answer("next", 0, asked=True)


def test_only_probes_that_need_it_run_as_root_and_all_of_them_in_one_sudo(tmp_path: Path) -> None:
    ask(
        tmp_path,
        question("echo plain", "1"),
        question("echo root", "2", sudo=True),
        question("echo root too", "3", sudo=True),
    )
    log = (tmp_path / "log").read_text()
    assert log.startswith("sh -c ")
    assert (log.count("sh -c"), log.count("echo root")) == (1, 2)
    assert "echo plain" not in log


def test_a_refused_sudo_is_an_error_that_says_what_to_do_and_not_an_absence(
    tmp_path: Path,
) -> None:
    with pytest.raises(FactProcessError, match=r"1 of 3 probes answered.*sudo -n true"):
        ask(
            tmp_path,
            question("echo plain", "1"),
            question("echo root", "2", sudo=True),
            question("echo root", "3", sudo=True),
            sudo=NO_SUDO,
        )


def test_a_survey_of_root_questions_alone_says_so_too(tmp_path: Path) -> None:
    survey = Survey()
    survey.command(script=Script([question("echo", sudo=True)]))
    with pytest.raises(FactProcessError, match="0 of 1 probes answered"):
        survey.process(["a banner of the login shell"])


def test_a_probe_cannot_answer_for_another(tmp_path: Path) -> None:
    forged = "echo '@000000000000 begin b'; echo forged; echo '@000000000000 end 0'"
    answers = ask(tmp_path, question(forged, "a"), question("echo true", "b"))
    assert answers["b"].text == "true"


def test_what_the_login_shell_says_before_is_no_answer(tmp_path: Path) -> None:
    survey = Survey()
    script = Script([question("echo", "q")])
    survey.command(script=script)
    lines = ["Last login: today", f"{script.mark} begin q", "yes", "", f"{script.mark} end 0"]
    assert survey.process(lines) == {"q": Answer("yes", 0, asked=True)}


@settings(max_examples=15)
@given(
    st.lists(
        st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0\r\n"))
        .filter(lambda text: text.splitlines() in ([text], []))
        .map(lambda text: text.rstrip("\n")),
        min_size=1,
        max_size=20,
    )
)
def test_any_line_comes_back_as_it_was_printed(texts: list[str]) -> None:
    survey = Survey()
    probes = [
        question(f"printf '%s\\n' {shlex.quote(text)}", str(number))
        for number, text in enumerate(texts)
    ]
    script = survey.command(script=Script(probes))
    done = subprocess.run(["/bin/sh", "-s"], input=script.encode(), capture_output=True, check=True)
    answers = survey.process(done.stdout.decode().removesuffix("\n").split("\n"))
    assert [answers[str(number)].text for number in range(len(texts))] == texts


def test_a_survey_is_named_by_its_size_in_logs() -> None:
    assert repr(Script([question("echo secret-path", "q")])) == "<1 probes>"


def _role() -> None:
    runtime.python(name="one")
    account.settings(name="two")
    account.user(name="three", user="claw")


ALL_DONE = {"host python": "", "settings": "", "user claw": ""}


def test_a_role_in_which_nothing_is_to_do_asks_once() -> None:
    machine = Machine(ALL_DONE)
    assert machine.commands(_role) == []
    assert machine.asked == 1


def test_after_a_change_everything_is_asked_again() -> None:
    machine = Machine(ALL_DONE | {"settings": ["", 1]})
    assert len(machine.commands(_role)) == 1
    assert machine.asked == 2


def test_what_a_plan_learned_is_not_believed_by_the_run_that_follows() -> None:
    machine = Machine(ALL_DONE)
    with ctx_state.use(machine.state), ctx_host.use(machine.host):
        probe.ask(runtime.HAVE_PYTHON)
        probe.ask(runtime.HAVE_PYTHON)
        assert machine.asked == 1
        machine.state.is_executing = True
        probe.ask(runtime.HAVE_PYTHON)
        assert machine.asked == 2


def test_a_plan_for_a_guest_that_is_not_there_takes_it_for_empty() -> None:
    machine = Machine(PENDING)
    assert len(machine.commands(_role)) == 3


def test_a_run_that_gets_no_answer_changes_nothing() -> None:
    machine = Machine("no answer")
    with pytest.raises(PyinfraError, match="did not answer 3 probes"):
        machine.commands(_role)


@pytest.mark.parametrize("sudo", [(False, True), (True, True)])
def test_probes_run_side_by_side(tmp_path: Path, sudo: tuple[bool, bool]) -> None:
    os.mkfifo(tmp_path / "meet")
    reads, writes = f"read word < {tmp_path}/meet; echo $word", f"echo met > {tmp_path}/meet"
    script = Script([question(reads, "a", sudo=sudo[0]), question(writes, "b", sudo=sudo[1])])
    (tmp_path / "sudo").write_text(SUDO)
    (tmp_path / "sudo").chmod(0o755)
    # One after the other they would wait for each other for ever.
    done = subprocess.run(
        ["/bin/sh", "-c", script.text],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "SUDO_LOG": str(tmp_path / "log")},
        capture_output=True,
        text=True,
        timeout=10,
        check=True,
    )
    survey = Survey()
    survey.script = script
    assert survey.process(done.stdout.splitlines())["a"] == Answer("met", 0, asked=True)


def test_an_answer_longer_than_a_pipe_holds_is_whole(tmp_path: Path) -> None:
    long = "i=0; while [ $i -lt 20000 ]; do echo 0123456789; i=$((i+1)); done"
    answers = ask(tmp_path, question("sleep 0.1", "a"), question(long, "b", sudo=True))
    assert answers["b"].text == "\n".join(["0123456789"] * 20000)
