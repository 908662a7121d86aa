"""The connector `@tart/<guest>` against a real SSH server that stands for the guest."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from paramiko import SSHException
from pyinfra.api import State, StringCommand
from pyinfra.api.exceptions import ConnectError
from pyinfra.api.host import Host
from pyinfra.api.state import StateStage
from pyinfra.connectors.util import CommandOutput, OutputLine

from clawkeep import keys
from connectors.tart import TartConnector
from tests.operations.harness import new_state
from tests.recording import Faults
from tests.unit.connectors import sshd

INTERFACES = "bridge100: flags=8863<UP> mtu 1500\n\tinet 192.168.64.1 netmask 0xffffff00"


@dataclass
class Mac:
    """The host: answers what the connector asks of it, and counts."""

    server: sshd.SSHServer
    state_of_vm: str = "running"
    address: str | None = "192.168.64.2 agent"
    host_key: str | None = None
    asked: list[str] = field(default_factory=list)
    stops_after: int | None = None

    def run(self, command: StringCommand, *_: object, **__: object) -> tuple[bool, CommandOutput]:
        script = str(command)
        if " list " in script:
            self.asked.append("list")
            if self.stops_after is not None and self.asked.count("list") > self.stops_after:
                self.state_of_vm = "stopped"
            return self._say(
                json.dumps([{"Name": "keep", "State": self.state_of_vm, "Source": "local"}])
            )
        if " ip " in script:
            self.asked.append("ip")
            return self._say(f"{self.address or ''}\n{INTERFACES}")
        if " exec " in script:
            self.asked.append("exec")
            if self.host_key is None:
                return False, CommandOutput([OutputLine("stderr", "agent is not there yet")])
            return self._say(self.host_key)
        assert "tail" in script
        return self._say("tart: VM ran out of luck")

    @staticmethod
    def _say(text: str) -> tuple[bool, CommandOutput]:
        return True, CommandOutput([OutputLine("stdout", line) for line in text.splitlines()])


@dataclass
class Run:
    """One pyinfra state with a Mac and its guest."""

    mac: Mac
    server: sshd.SSHServer
    state: State
    guest: Host

    @property
    def connector(self) -> TartConnector:
        assert isinstance(self.guest.connector, TartConnector)
        return self.guest.connector

    def execute(self) -> None:
        self.state.set_stage(StateStage.Execute)
        self.state.is_executing = True

    def shell(self, script: str) -> tuple[bool, str]:
        ok, output = self.connector.run_shell_command(StringCommand(script))
        return ok, output.stdout

    def own_key_is_known(self) -> None:
        folder = self.connector.pin.path.parent
        line = keys.ensure(folder, "x").public_line
        self.server.keys.add(line.split()[1])


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.setenv("CLAWKEEP_STATE", str(tmp_path))
    monkeypatch.setattr("connectors.tart.time.sleep", lambda _: None)
    with sshd.running() as server:
        real = socket.create_connection
        monkeypatch.setattr(
            "connectors.tart.socket.create_connection",
            lambda address, timeout: real(("127.0.0.1", server.port), timeout),
        )
        state = new_state(("@fake/mac", {}), ("@tart/keep", {"tart_host": "@fake/mac"}))
        mac = Mac(server, host_key=sshd.public_line(server.host_key))
        host = state.inventory.get_host("@fake/mac")
        host.connected = True
        host.connector.run_shell_command = mac.run  # type: ignore[method-assign]
        state.set_stage(StateStage.Prepare)
        run = Run(mac, server, state, state.inventory.get_host("@tart/keep"))
        yield run
        run.connector.disconnect()


def test_while_all_are_being_connected_nothing_is_asked_of_the_host(run: Run) -> None:
    run.state.current_stage = StateStage.Connect
    run.connector.connect()
    assert run.mac.asked == []
    assert not run.connector.live


def test_a_plan_sees_a_guest_that_is_not_running_as_an_empty_machine(run: Run) -> None:
    run.mac.state_of_vm = "stopped"
    assert run.shell("echo here") == (True, "")
    assert run.shell("echo here") == (True, "")
    assert run.mac.asked == ["list"]
    assert run.server.attempts == []


def test_a_plan_reads_a_guest_that_runs(run: Run) -> None:
    run.own_key_is_known()
    assert run.shell("echo $((40 + 2))") == (True, "42")
    assert run.server.attempts == ["key admin"]


def test_a_run_against_a_guest_that_is_not_running_fails_with_its_last_words(run: Run) -> None:
    run.mac.state_of_vm = "stopped"
    run.execute()
    with pytest.raises(ConnectError, match=r"not running.*keep.log says: tart: VM ran out of luck"):
        run.connector.connect()


def test_a_fresh_clone_is_entered_with_the_images_password_once(run: Run) -> None:
    run.server.passwords = {"admin": "admin"}
    run.connector.connect()
    assert run.server.attempts == ["key admin", "password admin"]
    assert run.connector.data["ssh_password"] == ""
    run.own_key_is_known()
    run.connector.redial()
    assert run.server.attempts[2:] == ["key admin"]


def test_a_guest_that_takes_neither_key_nor_password_ends_the_wait_at_once(run: Run) -> None:
    with pytest.raises(ConnectError, match=r"takes neither the key .*authorized_keys"):
        run.connector.connect()
    assert run.mac.asked.count("ip") == 2


def test_the_host_key_is_learned_over_vsock_and_pinned_before_the_first_word(run: Run) -> None:
    run.own_key_is_known()
    run.connector.connect()
    assert run.mac.asked == ["list", "exec", "ip"]
    key = run.server.host_key.get_base64()
    assert run.connector.pin.path.read_text() == f"keep ssh-ed25519 {key}\n"


def test_a_pinned_guest_is_not_asked_for_its_key_again(run: Run) -> None:
    run.own_key_is_known()
    run.connector.pin.write(sshd.public_line(run.server.host_key))
    run.connector.connect()
    assert "exec" not in run.mac.asked


def test_another_host_key_ends_the_wait_at_once_and_says_what_to_do(run: Run) -> None:
    run.own_key_is_known()
    run.connector.pin.write(sshd.public_line(sshd.new_key()))
    with pytest.raises(ConnectError, match=r"another host key than the pinned one.*delete /"):
        run.connector.connect()
    assert run.server.attempts == []
    assert run.mac.asked.count("ip") == 1


def test_a_rotation_cut_short_is_healed_by_the_next_connection(run: Run) -> None:
    run.own_key_is_known()
    run.connector.pin.write(sshd.public_line(sshd.new_key()))
    run.connector.pin.begin_rotation()
    run.connector.connect()
    assert run.connector.live
    assert run.connector.pin.trusted()


def test_an_answer_that_is_no_key_is_an_error_with_the_guests_name(run: Run) -> None:
    run.mac.host_key = "dyld: cat is broken"
    with pytest.raises(ConnectError, match="keep: expected an ed25519 host key"):
        run.connector.connect()


def test_a_booting_guest_is_waited_for_until_the_deadline(run: Run) -> None:
    run.mac.address = None
    with pytest.raises(ConnectError, match=r"no SSH in the guest keep after 1 s.*no address"):
        run.connector.dial(deadline_s=1)
    assert run.mac.asked.count("ip") >= 2


def test_a_guest_that_stops_while_booting_is_not_waited_for(run: Run) -> None:
    run.mac.host_key = None
    run.mac.stops_after = 3
    with pytest.raises(ConnectError, match="stopped while booting"):
        run.connector.connect()


def test_a_connection_lost_in_a_command_is_an_error_and_no_success(
    run: Run, faults: Faults
) -> None:
    run.own_key_is_known()
    run.connector.connect()
    run.execute()
    threading.Timer(0.1, run.server.cut).start()
    with pytest.raises(SSHException, match="keep was lost while a command ran"):
        run.shell("sleep 0.3")
    with pytest.raises(SSHException, match="connection to keep was lost"):
        run.shell("true")
    says = "the run ends with that; no command is sent twice, the next run asks what is so"
    faults.show("ssh", "the connection is lost while a command runs", says, "the next run")


def test_after_a_restart_of_the_guest_the_barrier_dials_again(run: Run) -> None:
    run.own_key_is_known()
    run.connector.connect()
    run.execute()
    first = run.connector.client
    run.connector.connect()
    assert run.connector.client is first
    run.server.cut()
    run.connector.connect()
    assert run.connector.client is not first
    assert run.shell("echo back") == (True, "back")


def test_a_guest_that_lost_its_power_without_a_word_is_dialled_again(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.own_key_is_known()
    run.connector.connect()
    run.execute()
    first = run.connector.client
    transport = run.connector.transport()

    def silent(timeout: float) -> None:
        assert timeout <= 10
        raise SSHException("Timeout opening channel.")

    monkeypatch.setattr(transport, "open_session", silent)
    run.connector.connect()
    assert run.connector.client is not first


def test_the_inventory_name_says_which_vm_it_is() -> None:
    assert list(TartConnector.make_names_data("keep")) == [
        ("@tart/keep", {"tart_vm": "keep"}, ["@tart"])
    ]


def test_the_hosts_chatter_on_stderr_is_no_answer(run: Run) -> None:
    def noisy(*_: object, **__: object) -> tuple[bool, CommandOutput]:
        return True, CommandOutput([OutputLine("stderr", "warning: locale")])

    run.connector.on_host.host.connector.run_shell_command = noisy  # type: ignore[method-assign]
    assert run.connector.on_host.running() is False
    assert run.connector.on_host.address() is None


def test_a_host_whose_tart_fails_is_not_a_host_without_guests(run: Run) -> None:
    def failing(*_: object, **__: object) -> tuple[bool, CommandOutput]:
        return False, CommandOutput([OutputLine("stderr", "tart: broken")])

    run.connector.on_host.host.connector.run_shell_command = failing  # type: ignore[method-assign]
    with pytest.raises(ConnectError, match="@fake/mac: tart list failed: tart: broken"):
        run.connector.on_host.running()


def test_an_address_that_no_bridge_of_the_host_carries_is_never_dialled(run: Run) -> None:
    """The guest's agent says the address: it must not send our login to another machine."""
    run.own_key_is_known()
    run.mac.address = "10.0.30.20 agent"
    run.connector.data["tart_boot_timeout"] = 0
    run.execute()
    with pytest.raises(ConnectError, match="no address"):
        run.connector.connect()
    assert run.server.attempts == []


def test_a_guest_that_our_key_has_opened_is_never_tried_with_a_password(run: Run) -> None:
    run.own_key_is_known()
    run.execute()
    run.connector.connect()
    run.connector.disconnect()
    run.server.keys.clear()
    run.server.attempts.clear()
    with pytest.raises(ConnectError, match="no longer takes the key"):
        run.connector.connect()
    assert run.server.attempts == ["key admin"]
