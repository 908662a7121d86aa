"""The way into the guest, as the user that NanoClaw runs as."""

from __future__ import annotations

import contextlib
import json
import shlex
import time
from collections.abc import Iterator, Sequence
from typing import Any

import paramiko

from clawkeep import tart
from clawkeep.agent.program import program
from clawkeep.model import Keep
from clawkeep.onhost.plain import plain
from clawkeep.survey import MARK
from clawkeep.target import Target
from clawkeep.transport import HostSession, TransportError, exchange

PYTHON = ("/usr/bin/python3", "-I")
MAX_LINE = 4 << 20


class NotRunningError(Exception):
    """The guest is stopped or absent; the text says which."""


class Inside:
    """The guest, entered."""

    def __init__(self, client: paramiko.SSHClient, name: str, user: str) -> None:
        self._client, self._name = client, name
        self._as_user = ("sudo", "-n", "-H", "-u", user, "--", *PYTHON)

    def ask(
        self, modules: Sequence[str], question: dict[str, Any], timeout_s: float
    ) -> dict[str, Any]:
        """Send modules of this package to the guest's Python; return the object they print.

        See `program`: the question travels on stdin, so it cannot be seen in a list of processes.
        Raises TransportError, also for an answer that is no JSON object.
        """
        text = program([f"agent.{name}" for name in modules], question)
        return self.script(text, timeout_s, modules[-1])

    def script(self, text: str, timeout_s: float, program: str = "the program") -> dict[str, Any]:
        """Have the guest's Python run `text`; return the object that it prints.

        Raises TransportError, also for an answer that is no JSON object.
        """
        return self._object(shlex.join([*self._as_user, "-"]), text, timeout_s, program)

    def _object(self, command: str, text: str, timeout_s: float, program: str) -> dict[str, Any]:
        answer = exchange(self._client, command, text, timeout_s, self._name)
        try:
            found = json.loads(answer)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise TransportError(f"{self._name}: {program} did not answer: {answer[-200:]!r}")
        return found

    def login(self, text: str, timeout_s: float, program: str = "the program") -> dict[str, Any]:
        """As `script`, but as the user that SSH logs in: Homebrew's owner."""
        return self._object(shlex.join([*PYTHON, "-"]), text, timeout_s, program)

    def root(self, script: str, text: str, timeout_s: float, expected: str) -> None:
        """Run a shell script as root with `text` on its stdin; it must print `expected`.

        Raises TransportError.
        """
        command = shlex.join(["sudo", "-n", "sh", "-c", script])
        answer = exchange(self._client, command, text, timeout_s, self._name)
        if answer.strip() != expected:
            raise TransportError(f"{self._name}: not done as root: {plain(answer[-200:])}")

    def lines(self, arguments: Sequence[str], silent_s: float) -> Iterator[bytes]:
        """Run an installed Python program and yield what it prints, line by line.

        Its stdin stays open until the caller has enough. Raises TransportError when nothing came
        for `silent_s` seconds, or when it ends with a status other than 0 and has printed nothing.
        """
        command = shlex.join([*self._as_user, *arguments])
        try:
            transport = self._client.get_transport()
            if transport is None:
                raise TransportError(f"{self._name}: the connection is gone")
            with contextlib.closing(transport.open_session(timeout=10)) as channel:
                channel.settimeout(silent_s)
                channel.exec_command(command)
                yield from self._lines(channel)
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise TransportError(f"{self._name}: {arguments[0]}: {error!r}") from error

    def _lines(self, channel: paramiko.Channel) -> Iterator[bytes]:
        rest = b""
        while piece := channel.recv(65536):
            *lines, rest = (rest + piece).split(b"\n")
            yield from lines
            if len(rest) > MAX_LINE:
                raise TransportError(f"{self._name}: a line without end")
        # A command that ended says so; a connection that broke says nothing.
        if not channel.exit_status_ready():
            deadline = time.monotonic() + 2
            while not channel.exit_status_ready() and time.monotonic() < deadline:
                time.sleep(0.02)
        status = channel.recv_exit_status() if channel.exit_status_ready() else -1
        if status == -1:
            raise TransportError(f"{self._name}: the connection ended")
        if status != 0:
            said = channel.recv_stderr(2000).decode(errors="replace").strip()
            raise TransportError(f"{self._name}: exit status {status}: {plain(said)}")


@contextlib.contextmanager
def inside(keep: Keep, target: Target) -> Iterator[Inside]:
    """Enter the keep's guest.

    Raises NotRunningError, TransportError; OSError when the host cannot be reached.
    """
    name = keep.guest.name
    session = HostSession(target)
    try:
        client = session.guest(name, _address(session, name))
        try:
            yield Inside(client, name, keep.guest.user)
        finally:
            client.close()
    finally:
        session.close()


def _address(session: HostSession, guest: str) -> str:
    listing = f"{shlex.join(tart.list_local())} 2>/dev/null"
    text = session.run(f"{listing}; echo; echo '{MARK}'; {tart.address(guest)}")
    vms, _, address = text.partition(MARK)
    try:
        states = {vm.name: vm.state for vm in tart.parse_list(vms)}
    except tart.TartError as error:
        raise TransportError(f"{session.target.name}: {error}") from error
    # Tart's lease file answers for stopped guests, too.
    if (state := states.get(guest, "absent")) != "running":
        raise NotRunningError(f"{guest} is {state}")
    words = address.split()
    if len(words) != 2:
        raise TransportError(f"{guest}: tart knows no address of it")
    return words[0]
