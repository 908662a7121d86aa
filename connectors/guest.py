"""A guest as its host sees it: state, address, host key over vsock, last words of a failure."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from paramiko import Transport
from pyinfra.api.command import QuoteString, StringCommand
from pyinfra.api.exceptions import ConnectError
from pyinfra.api.host import Host
from pyinfra.connectors.ssh import SSHConnector

from clawkeep import ifconfig, supervisor, tart
from connectors.pins import KEY_FILE


@dataclass(frozen=True)
class GuestOnHost:
    """Questions about one VM, asked of the pyinfra host that runs it."""

    host: Host
    vm: str

    def running(self) -> bool:
        """Tell whether `tart list` says so. Raises ConnectError when the host does not answer."""
        ok, text = self._ask(f"[ ! -x {tart.TART} ] || {shlex.join(tart.list_local())}")
        if not ok:
            raise ConnectError(f"{self.host.name}: tart list failed: {text}")
        return any(vm.name == self.vm and vm.running for vm in tart.parse_list(text or "[]"))

    def address(self) -> str | None:
        """Return the guest's address, or None while tart knows none.

        The guest's agent says it, so it counts only when a vmnet bridge of the host carries it: a
        guest must not be able to send our login to another machine.
        """
        _, text = self._ask(f"{tart.address(self.vm)}\nifconfig")
        first, _, interfaces = text.partition("\n")
        words = first.split()
        if len(words) != 2 or words[1] not in {"agent", "dhcp"}:
            return None
        try:
            return str(ifconfig.link(interfaces, words[0]).guest)
        except ifconfig.LinkError:
            return None

    def public_host_key(self) -> str:
        """Return the guest's ed25519 host key, read over vsock.

        Raises OSError while the guest agent does not answer yet: it starts with the auto-login
        session, later than sshd (reference/tart.md §5).
        """
        ok, text = self._ask(shlex.join(tart.execute(self.vm, ["/bin/cat", KEY_FILE])))
        if not ok:
            raise OSError(f"tart exec {self.vm}: {text}")
        return text

    def last_words(self) -> str:
        """Return what the guest's supervisor and tart last said, for an error message."""
        log = supervisor.log_file(self.vm)
        _, text = self._ask(f'tail -n 4 "$HOME"/{shlex.quote(log)} 2>/dev/null')
        return f"~/{log} says: {text or '(nothing)'}"

    def ask(self, script: str) -> str:
        """Return what a reading script prints on the host. Raises ConnectError when it fails."""
        ok, text = self._ask(script)
        if not ok:
            raise ConnectError(f"{self.host.name}: {text or 'a question failed'}")
        return text

    def transport(self) -> Transport | None:
        """Return the host's SSH transport, or None when the host is this machine."""
        connector = self._connected().connector
        if not isinstance(connector, SSHConnector):
            return None
        transport = connector.client.get_transport() if connector.client else None
        if transport is None or not transport.is_active():
            raise ConnectError(f"{self.host.name}: the connection is gone")
        return transport

    def _connected(self) -> Host:
        if not self.host.connected:
            self.host.connect(reason="asked about its guest", raise_exceptions=True)
        return self.host

    def _ask(self, script: str) -> tuple[bool, str]:
        command = StringCommand("sh", "-c", QuoteString(script))
        ok, output = self._connected().connector.run_shell_command(command, False, False)
        # Chatter on stderr is no answer, but it is the reason of a failure.
        return ok, (output.stdout if ok else output.stderr or output.stdout).strip()
