"""Many verbs in one exchange, through a real shell: what each said, and what became of the rest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from clawkeep.overview.ask import NoAnswerError, ask_host, parsed
from clawkeep.overview.sources import UNKNOWN, Source
from clawkeep.remote import Outcome
from clawkeep.target import Target
from clawkeep.transport import HostSession, TransportError

CLAWKEEP = r"""#!/bin/sh
echo "$*" >> "$ASKED"
case "$1" in
grants) echo '{"grants": []}' ;;
alert) echo '{"standing": [1]}'; echo 'no hook is declared' >&2; exit 1 ;;
backup) echo 'clawkeep backup status: no backup is declared on this host' >&2; exit 2 ;;
logs) echo '{"t": 1}'; echo; echo '{"cursor": ""}' ;;
noise) printf '@0123456789abcdef 0\nsaid\n@ x\n{"a": 1}' ;;
flood) head -c 200000 /dev/zero | tr '\0' x ;;
broken) printf '{"a":' ;;
number) echo 7 ;;
*) echo 'usage: clawkeep {alert,backup} …' >&2; exit 64 ;;
esac
"""
SUDO = """#!/bin/sh
[ "$1 $2 $3" = "-n /bin/sh -c" ] || exit 9
echo sudo >> "$ASKED"
exec sh -c "$(printf '%s' "$4" | sed "s,/opt/clawkeep/bin,$BIN,g")"
"""


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HostSession:
    for name, text in (("clawkeep", CLAWKEEP), ("sudo", SUDO)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("BIN", str(tmp_path))
    monkeypatch.setenv("ASKED", str(tmp_path / "asked"))
    return HostSession(Target("@local"))


def source(name: str, *, lines: bool = False) -> Source:
    return Source(name, f"clawkeep {name}", host=(name, "--json"), lines=lines)


def test_each_verb_is_told_apart_in_one_exchange(session: HostSession, tmp_path: Path) -> None:
    names = ("grants", "alert", "backup", "noise", "flood", "logs", "other")
    found = ask_host(session, [source(name) for name in names])
    assert found["grants"] == Outcome(0, '{"grants": []}', "")
    assert found["alert"] == Outcome(1, '{"standing": [1]}', "no hook is declared")
    assert found["backup"].status == 2
    assert found["noise"].stdout.endswith('{"a": 1}')
    assert "flood" not in found
    assert found["logs"].stdout.startswith('{"t": 1}')
    assert found["other"].status == 64
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked == ["sudo", *(f"{name} --json" for name in names)]


def test_a_host_without_sudo_is_an_error(session: HostSession, tmp_path: Path) -> None:
    (tmp_path / "sudo").write_text("#!/bin/sh\necho 'sudo: a password is required' >&2\nexit 1\n")
    with pytest.raises(TransportError, match="a password is required"):
        ask_host(session, [source("grants")])


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("backup", "no backup is declared on this host"),
        ("broken", "it ended with 0 and printed no JSON"),
        ("number", "it ended with 0 and printed no JSON"),
        ("other", UNKNOWN),
    ],
)
def test_what_is_no_json_says_why(session: HostSession, name: str, why: str) -> None:
    one = source(name)
    with pytest.raises(NoAnswerError, match=why):
        parsed(one, ask_host(session, [one])[name])


def test_json_counts_whatever_the_exit_status(session: HostSession) -> None:
    one, many = source("alert"), source("logs", lines=True)
    found = ask_host(session, [one, many])
    assert parsed(one, found["alert"]) == {"standing": [1]}
    assert parsed(many, found["logs"]) == [{"t": 1}, {"cursor": ""}]


def test_json_too_deep_to_read_is_no_answer() -> None:
    with pytest.raises(NoAnswerError):
        parsed(source("grants"), Outcome(0, "[" * 50_000, ""))
