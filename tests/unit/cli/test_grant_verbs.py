"""`allow`, `revoke`, `grants` and `bridges` on the operator's side: what reaches the host."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from clawkeep import cli, remote
from clawkeep.remote import Outcome
from clawkeep.transport import TransportError

pytestmark = pytest.mark.usefixtures("project")
ALLOW = ["allow", "printer", "10.0.30.9:631", "--port", "18631", "--for", "2h", "--reason", "a b"]


class Session:
    """A host that answers everything with 0 and remembers it."""

    asked: list[list[str]]
    failing = False

    def __init__(self, *_: object) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def host(project: object, monkeypatch: pytest.MonkeyPatch) -> type[Session]:
    monkeypatch.setenv("CLAWKEEP_HOST", "me@mac")
    Session.asked, Session.failing = [], False

    def on_host(_: Session, arguments: Sequence[str], timeout_s: float = 30) -> Outcome:
        if Session.failing:
            raise TransportError("mac: no SSH: refused")
        Session.asked.append(list(arguments))
        return Outcome(0, "data\n", "prose\n")

    monkeypatch.setattr(remote, "HostSession", Session)
    monkeypatch.setattr(remote, "on_host", on_host)
    monkeypatch.setattr("getpass.getuser", lambda: "alice")
    monkeypatch.setattr("socket.gethostname", lambda: "laptop")
    return Session


def test_a_door_is_asked_of_the_host_with_who_and_why(
    host: type[Session], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(ALLOW) == 0
    assert host.asked == [
        [
            "allow", "--port", "18631", "--for", "2h", "--kind", "tcp", "--who", "alice@laptop",
            "--reason=a b", "--", "printer", "10.0.30.9:631",
        ]
    ]  # fmt: skip
    assert capsys.readouterr() == ("data\n", "prose\n")


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({1: "Printer"}, "name: "),
        ({2: "10.0.30.9"}, "target: "),
        ({2: "127.0.0.1:631"}, "the host's own loopback"),
        ({2: "192.168.64.9:631"}, "the guest's own network"),
        ({4: "3128"}, "reserved for Clawkeep's own egress proxy"),
        ({4: "80"}, "below 1024"),
        ({4: "18443"}, "already the port of 'vaultwarden'"),
        ({1: "vaultwarden"}, "already taken"),
        ({6: "8d"}, "write 90s, 15m, 2h or 1d"),
        ({8: " "}, "visible"),
        ({8: "x\x1b[2J"}, "visible"),
    ],
)
def test_what_the_allowlist_would_refuse_never_reaches_the_host(
    host: type[Session], capsys: pytest.CaptureFixture[str], changed: dict[int, str], why: str
) -> None:
    arguments = [changed.get(index, word) for index, word in enumerate(ALLOW)]
    assert cli.main(arguments) == 1
    output = capsys.readouterr()
    assert why in output.err
    assert "nothing was opened" in output.err
    assert (output.out, host.asked) == ("", [])


def test_a_server_name_is_for_tls_alone(host: type[Session]) -> None:
    assert cli.main([*ALLOW, "--server-name", "p.lan"]) == 1
    assert cli.main([*ALLOW, "--kind", "tls", "--server-name", "p.lan"]) == 0
    assert host.asked[0][7:9] == ["--server-name", "p.lan"]


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        (["grants"], ["grants"]),
        (["grants", "--json"], ["grants", "--json"]),
        (["bridges"], ["bridges"]),
        (["bridges", "--json"], ["bridges", "--json"]),
        (["revoke", "printer"], ["revoke", "--who", "alice@laptop", "--", "printer"]),
        (["revoke", "--", "-x"], ["revoke", "--who", "alice@laptop", "--", "-x"]),
    ],
)
def test_the_other_verbs_are_the_hosts_own(
    host: type[Session], typed: list[str], asked: list[str]
) -> None:
    assert cli.main(typed) == 0
    assert host.asked == [asked]


@pytest.mark.parametrize("arguments", [ALLOW, ["grants"], ["bridges"], ["revoke", "x"]])
def test_a_host_that_does_not_answer_is_not_known(
    host: type[Session], capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    host.failing = True
    assert cli.main(arguments) == 2
    assert capsys.readouterr().err == "mac: no SSH: refused\n"
