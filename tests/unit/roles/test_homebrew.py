"""How the guest gets its packages: through a window that is open for one command."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyinfra.api import StringCommand
from pyinfra.api.exceptions import PyinfraError
from pyinfra.connectors.util import CommandOutput, OutputLine
from pyinfra.context import ctx_host, ctx_state

from connectors.tart import TartConnector
from connectors.window import Window
from roles import homebrew, pip_tools
from tests.operations.harness import Machine, described, new_state

BREW = "/opt/homebrew/bin/brew"


@pytest.fixture
def window(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let something that only notes its opening and closing stand for the window."""
    events: list[str] = []

    @contextlib.contextmanager
    def opened(names: tuple[str, ...]) -> Iterator[SimpleNamespace]:
        events.append(f"opened for {len(names)}")
        try:
            yield SimpleNamespace(environment="export https_proxy=http://127.0.0.1:9;")
        finally:
            events.append("closed")

    monkeypatch.setattr(homebrew, "provisioning_window", opened)
    return events


def operation(machine: Machine, names: list[str]) -> Any:
    homebrew.formulas(name="f", names=names)
    machine.state.is_executing = True
    [op_hash] = machine.host.op_hash_order
    return machine.state.get_op_data_for_host(machine.host, op_hash).command_generator()


def test_the_window_is_open_exactly_while_the_command_runs(window: list[str]) -> None:
    machine = Machine({"kegs": BREW})
    with ctx_state.use(machine.state), ctx_host.use(machine.host):
        commands = operation(machine, ["jq"])
        script = described(next(commands))["script"]
        assert "export https_proxy=http://127.0.0.1:9; set -e; " in script
        assert window == ["opened for 6"]
        assert list(commands) == []
    assert window == ["opened for 6", "closed"]


def test_the_window_closes_when_the_command_fails(window: list[str]) -> None:
    machine = Machine({"kegs": BREW})
    with ctx_state.use(machine.state), ctx_host.use(machine.host):
        commands = operation(machine, ["jq"])
        next(commands)
        del commands  # pyinfra drops the generator of an operation that failed
    assert window == ["opened for 6", "closed"]


def test_nothing_is_opened_when_nothing_is_missing(window: list[str]) -> None:
    machine = Machine({"kegs": f"{BREW}\n/opt/homebrew/Cellar/jq/1/INSTALL_RECEIPT.json"})
    with ctx_state.use(machine.state), ctx_host.use(machine.host):
        assert list(operation(machine, ["jq"])) == []
    assert window == []


class Guest:
    """A guest whose host says `says` to every question."""

    def __init__(self, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.state = new_state(("@fake/mac", {}), ("@tart/keep", {"tart_host": "@fake/mac"}))
        self.guest = self.state.inventory.get_host("@tart/keep")
        mac = self.state.inventory.get_host("@fake/mac")
        mac.connected = True
        self.asked: list[str] = []

        def run(command: StringCommand, *_: object) -> tuple[bool, CommandOutput]:
            self.asked.append(str(command))
            return True, CommandOutput([OutputLine("stdout", line) for line in says.split("\n")])

        mac.connector.run_shell_command = run  # type: ignore[method-assign, assignment]

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        with ctx_state.use(self.state), ctx_host.use(self.guest):
            yield


def test_a_plan_opens_no_window(monkeypatch: pytest.MonkeyPatch) -> None:
    guest = Guest("", monkeypatch)
    with guest.current():
        assert isinstance(homebrew.provisioning_window(("a.example",)), nullcontext)


def test_the_host_needs_no_window() -> None:
    machine = Machine({})
    machine.state.is_executing = True
    with ctx_state.use(machine.state), ctx_host.use(machine.host):
        assert isinstance(homebrew.provisioning_window(("a.example",)), nullcontext)


def test_a_guest_gets_a_window_for_what_is_missing_and_it_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    guest = Guest("", monkeypatch)
    guest.state.is_executing = True
    calls: list[str] = []
    said: list[str] = []
    monkeypatch.setattr(TartConnector, "connect", lambda self: calls.append("connect"))
    guest.guest.log = lambda text, *_: said.append(text.strip())  # type: ignore[method-assign]
    with guest.current():
        window = homebrew.provisioning_window(("a.example", ".b.example"))
    assert isinstance(window, Window)
    assert calls == ["connect"]
    assert window.names == ("a.example", ".b.example")
    assert said == ["window: open to a.example, .b.example while this runs, at most 45m"]


@pytest.mark.parametrize(
    ("says", "url", "hosts"),
    [
        ("https://index.example/simple\nfiles.example:443\nmirror.example:8443", "https://index.example/simple",
         ("index.example", "files.example")),
        ("https://index.example:443/x/simple/", "https://index.example:443/x/simple/",
         ("index.example",)),
    ],
)  # fmt: skip
def test_the_index_is_the_hosts_own_and_names_the_hosts_of_its_files(
    monkeypatch: pytest.MonkeyPatch, says: str, url: str, hosts: tuple[str, ...]
) -> None:
    guest = Guest(says, monkeypatch)
    with guest.current():
        index = pip_tools.package_index(["edge-tts==6.1.9"])
    assert (index.url, index.hosts) == (url, hosts)
    assert " edge-tts; do" in guest.asked[0]


@pytest.mark.parametrize("says", ["http://index.example/simple", "file:///srv/index", "https://"])
def test_an_index_that_the_window_cannot_reach_is_an_error(
    monkeypatch: pytest.MonkeyPatch, says: str
) -> None:
    guest = Guest(says, monkeypatch)
    with guest.current(), pytest.raises(PyinfraError, match="expected an https:// index"):
        pip_tools.package_index(["edge-tts"])


def test_credentials_of_an_index_are_neither_given_to_the_guest_nor_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    guest = Guest("https://me:S3CRET@index.example/simple", monkeypatch)
    with guest.current(), pytest.raises(PyinfraError, match="has credentials") as caught:
        pip_tools.package_index(["edge-tts"])
    assert "S3CRET" not in str(caught.value)


PAGE = """<a href="https://files.example/packages/e.whl#sha256=1">e</a>
<a href="https://files.example/packages/f.whl">f</a> <a href="/relative/g.whl">g</a>
<a href="https://mirror.example:8443/h.whl">h</a> <a href="http://plain.example/i.whl">i</a>"""


@pytest.mark.parametrize(
    ("configured", "url"),
    [
        ("global.index-url='https://own.example/simple/'", "https://own.example/simple/"),
        (("global.index-url='https://a.example'\nglobal.timeout='5'\n:env:.index-url="
         "'https://b.example'"), "https://b.example"),
        ("global.timeout='5'", "https://default.example/simple"),
        ("", "https://default.example/simple"),
    ],
)  # fmt: skip
def test_the_hosts_pip_is_asked_and_then_its_default(
    tmp_path: Path, configured: str, url: str
) -> None:
    python, curl = tmp_path / "python3", tmp_path / "curl"
    (tmp_path / "pip.list").write_text(configured)
    python.write_text(
        f"#!/bin/sh\nif [ \"$1\" = -m ]; then cat '{tmp_path}/pip.list'; "
        "else echo https://default.example/simple; fi\n"
    )
    curl.write_text(
        f"#!/bin/sh\necho \"$*\" >> '{tmp_path}/argv'\ncat >> '{tmp_path}/asked'\n"
        f"cat <<'END'\n{PAGE}\nEND\n"
    )
    for tool in (python, curl):
        tool.chmod(0o755)
    script = pip_tools.INDEX.format(tools="edge-tts").replace(
        "/opt/clawkeep/python/bin/python3", str(python)
    )
    done = subprocess.run(
        ["/bin/sh", "-c", script],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [url, "files.example", "mirror.example:8443"]
    assert (tmp_path / "asked").read_text() == f'url = "{url.rstrip("/")}/edge-tts/"\n'
    assert "https://" not in (tmp_path / "argv").read_text()


def test_a_version_too_old_after_an_upgrade_fails_with_both_numbers(tmp_path: Path) -> None:
    script = homebrew._version_check({"tart": "2.30.0"}).replace("/opt/homebrew", str(tmp_path))
    for have, fine in [("2.30.0", True), ("2.31.1_1", True), ("10.0.0", True), ("2.9.9", False)]:
        keg = tmp_path / "Cellar" / "tart" / have
        keg.mkdir(parents=True)
        done = subprocess.run(
            ["/bin/sh", "-c", script], capture_output=True, text=True, check=False
        )
        assert (done.returncode == 0) is fine
        assert done.stderr == ("" if fine else f"tart {have} is older than 2.30.0\n")
        keg.rmdir()
