"""`clawkeep explain`: exit statuses, JSON, and what it does without a host."""

from __future__ import annotations

import json
import re
import textwrap
from typing import Any

import pytest

from clawkeep import cli, declared
from clawkeep.cli import explain
from clawkeep.explain.host import Host
from clawkeep.target import Target
from clawkeep.transport import TransportError
from tests.unit.conftest import CHECKOUT
from tests.unit.explain import hosts

pytestmark = pytest.mark.usefixtures("project")


class Session:
    """Stands for the connection to a host."""

    def __init__(self, host: Target) -> None:
        self.host = host

    def close(self) -> None:
        pass


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A host that says what a converged one says, but for these changes."""
    changes: dict[str, Any] = {}

    def ask(_: Session, guest: str) -> Host:
        assert guest == "nanoclaw-vm"
        lsof = hosts.LSOF + "socat 9 me 5u IPv4 0 0t0 TCP 192.168.64.1:18123 (LISTEN)\n"
        return hosts.host(declared.keep(), **{"listening": lsof, **changes})

    monkeypatch.setattr(explain, "HostSession", Session)
    monkeypatch.setattr(explain, "target", lambda: Target("mac"))
    monkeypatch.setattr("clawkeep.explain.host.ask", ask)
    return changes


def run(*arguments: str) -> int:
    return cli.main(["explain", *arguments])


def test_an_answer_on_which_both_sides_agree_is_0_whether_allowed_or_refused(
    host: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("guest", "home-assistant") == 0
    assert capsys.readouterr().err == "allowed, as declared and live\n"
    assert run("guest", "1.1.1.1:443/tcp") == 0
    captured = capsys.readouterr()
    assert captured.err == "refused, as declared and live\n"
    assert "declared: refused by Softnet" in captured.out
    assert "live: refused by Softnet" in captured.out


def test_a_disagreement_is_1(host: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    host["info"] = "Status: Disabled\n"
    assert run("guest", "gateway:22/tcp") == 1
    captured = capsys.readouterr()
    assert captured.err == ("allowed at this moment, refused as declared: the two do NOT agree\n")
    assert "DIFFERS  pf refuses as declared, passes live: pf is off: it filters nothing" in (
        captured.out
    )


def test_json_goes_to_stdout_alone(
    host: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("guest", "gateway:22", "--json") == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["allowed"], data["outcome"]) == (False, "agreed")


def test_a_guest_that_does_not_run_is_2(
    host: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    host["running"] = False
    assert run("guest", "gateway:22") == 2
    assert "note: nothing is live: the guest is not running" in capsys.readouterr().out


def test_offline_asks_no_machine(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("a host was asked")

    monkeypatch.setattr(explain, "HostSession", never)
    assert run("--offline", "guest", "vaultwarden") == 0
    captured = capsys.readouterr()
    assert captured.err == "allowed as declared; nothing live was asked\n"
    assert "live:" not in captured.out


def test_without_a_host_it_is_2_and_offline_is_offered(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("guest", "vaultwarden") == 2
    assert "--offline judges the declaration alone" in capsys.readouterr().err

    def unreachable(_: Target) -> None:
        raise TransportError("mac: no SSH")

    monkeypatch.setattr(explain, "target", lambda: Target("mac"))
    monkeypatch.setattr(explain, "HostSession", unreachable)
    assert run("guest", "vaultwarden") == 2
    assert "mac: no SSH" in capsys.readouterr().err


def test_a_typing_mistake_is_2_and_says_what_is_expected(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("--offline", "guest", "home-asistant") == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "did you mean 'home-assistant'?" in captured.err
    assert "gateway:22/tcp" in captured.err


def test_verbose_prints_every_rule_that_matched(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--offline", "--verbose", "guest", "gateway:22") == 0
    assert "matched com.apple/000.clawkeep:" in capsys.readouterr().out


def pattern(sample: str) -> str:
    """Return what an output must match: `…` ends a line early, and alone stands for any lines."""
    lines = []
    for line in sample.splitlines():
        if line.strip() == "…":
            lines.append(r"(?:.*\n)+")
        else:
            lines.append(re.escape(line.removesuffix("…")) + (".*" * line.endswith("…")) + r"\n")
    return "".join(lines)


def test_the_sample_in_the_documentation_is_what_it_prints(
    host: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    page = (CHECKOUT / "docs" / "explain" / "walls.md").read_text()
    found = re.search(
        r"^    \$ clawkeep explain (.*)\n((?:    .+\n|\n)+)(?=\w)", page, re.MULTILINE
    )
    assert found is not None
    assert run(*found[1].split()) == 0
    said = capsys.readouterr()
    sample = textwrap.dedent(found[2]).rstrip("\n")
    assert re.fullmatch(pattern(sample), said.out + said.err), said.out + said.err
