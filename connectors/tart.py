"""pyinfra connector `@tart/<guest>`: SSH into a VM that may not exist yet.

One invocation plans and builds host and guest together. The guest's address is asked of the host
each time the connector dials; the connection goes through the host's own transport when the host
is remote; while the guest does not exist, facts answer with their defaults, so that a plan shows
everything that will be done. Sources: reference/pyinfra.md §2.6, reference/tart.md §1.6.

All use of pyinfra's and paramiko's private parts is in this package.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any, Literal

from paramiko import AuthenticationException, BadHostKeyException, SSHException, Transport
from pyinfra import logger
from pyinfra.api.command import StringCommand
from pyinfra.api.exceptions import ConnectError
from pyinfra.api.state import StateStage
from pyinfra.connectors.base import DataMeta
from pyinfra.connectors.ssh import ConnectorData, SSHConnector, connector_data_meta
from pyinfra.connectors.util import CommandOutput
from typing_extensions import override

from clawkeep import keys, state
from connectors.guest import GuestOnHost
from connectors.pins import Pin
from connectors.sockets import nodelay_transport, set_nodelay

#: The account that the Cirrus images ship, and its password until the first converge.
IMAGE_USER = "admin"
IMAGE_PASSWORD = "admin"  # noqa: S105 - public: printed in the image's own documentation


class TartData(ConnectorData):
    """Host data that the connector reads, besides `@ssh`'s own."""

    tart_vm: str
    tart_host: str
    tart_boot_timeout: int


class TartConnector(SSHConnector):
    """Reaches a Tart VM by name through the Mac that runs it.

    Inventory: `guests = [("@tart/nanoclaw-vm", {"tart_host": "mini"})]`.
    """

    handles_execution = True
    data_cls: type[Any] = TartData
    data: TartData
    data_meta = {
        **connector_data_meta,
        "tart_vm": DataMeta("Name of the VM"),
        "tart_host": DataMeta("Inventory name of the Mac that runs it", "@local"),
        "tart_boot_timeout": DataMeta("Seconds to wait for SSH after a start", 180),
    }

    live = False
    _looked = False

    @override
    @staticmethod
    def make_names_data(name: str) -> Iterator[tuple[str, dict[str, Any], list[str]]]:
        yield f"@tart/{name}", {"tart_vm": name}, ["@tart"]

    @property
    def vm(self) -> str:
        """The VM's name, which is also the name its host key is pinned under."""
        return self.data["tart_vm"]

    @property
    def on_host(self) -> GuestOnHost:
        """The guest as its host sees it."""
        host = self.state.inventory.get_host(self.data["tart_host"])
        return GuestOnHost(host, self.vm)

    @property
    def pin(self) -> Pin:
        """The guest's pinned host key."""
        return Pin(state.folder(self.data["tart_host"], self.vm), self.vm)

    @override
    def connect(self) -> None:
        """Connect when the guest runs; otherwise stay pending until something needs it.

        While pyinfra connects to all machines at once nothing is asked yet: the host is just being
        dialled, and asking would dial it a second time. Raises ConnectError when the guest runs and
        cannot be entered.
        """
        if self.state.current_stage <= StateStage.Connect:
            return
        if self.live and self._answers():
            return
        self._looked = True
        if self.on_host.running():
            self.dial(deadline_s=self.data["tart_boot_timeout"])
        elif not self.state.is_executing:
            logger.info(f"{self.host.print_prefix}not running yet: planned as an empty machine")
        else:
            raise ConnectError(
                f"the guest {self.vm} is not running; a whole `clawkeep apply` builds and "
                f"starts it; {self.on_host.last_words()}"
            )

    def dial(self, deadline_s: float) -> None:
        """Open the SSH connection, waiting up to `deadline_s` seconds for the guest to boot.

        Waits only for what a booting guest lacks (address, sshd); a refused key or a changed
        host key ends the wait at once. Raises ConnectError with the first cause.
        """
        self.disconnect()
        deadline = time.monotonic() + deadline_s
        pause = 0.2
        while True:
            try:
                self._enter()
                self.live = True
                return
            except BadHostKeyException as error:
                raise ConnectError(
                    f"the guest {self.vm} shows another host key than the pinned one; if you "
                    f"replaced the guest yourself, delete {self.pin.path} and run again"
                ) from error
            except ValueError as error:
                raise ConnectError(f"the guest {self.vm}: {error}") from error
            except (OSError, EOFError, SSHException, AddressUnknownError) as error:
                cause = error
            if not self.on_host.running():
                raise ConnectError(f"the guest stopped while booting; {self.on_host.last_words()}")
            if time.monotonic() + pause > deadline:
                raise ConnectError(
                    f"no SSH in the guest {self.vm} after {deadline_s:.0f} s: {cause!r}; "
                    f"{self.on_host.last_words()}"
                )
            time.sleep(pause)
            pause = min(pause * 1.5, 2.0)

    def redial(self) -> None:
        """Drop the connection and open a new one: the guest was restarted or its keys changed."""
        self.dial(deadline_s=self.data["tart_boot_timeout"])

    @override
    def make_paramiko_kwargs(self) -> dict[str, Any]:
        kwargs: dict[str, Any] = super().make_paramiko_kwargs()
        kwargs |= {
            "hostname": self.vm,
            "username": self.data["ssh_user"] or IMAGE_USER,
            "sock": self._open_socket(),
            "transport_factory": nodelay_transport,
            "allow_agent": False,
            "look_for_keys": False,
            "banner_timeout": 10,
            "_pyinfra_ssh_config_file": "/dev/null",
            "_pyinfra_ssh_known_hosts_file": str(self.pin.path),
            "_pyinfra_ssh_strict_host_key_checking": "yes",
        }
        return kwargs

    def _enter(self) -> None:
        if not self.pin.trusted():
            self.pin.write(self.on_host.public_host_key())
        pair = keys.ensure(self.pin.path.parent, f"clawkeep@{self.vm}")
        self.data["ssh_key"] = str(pair.private)
        try:
            self._log_in()
            self.pin.note_entry()
        except AuthenticationException as error:
            # The first contact with a fresh clone, and only that: afterwards passwords are off.
            if self.pin.entered:
                raise ConnectError(
                    f"the guest {self.vm} no longer takes the key {pair.private}; put its public "
                    f"half back in ~admin/.ssh/authorized_keys (tart exec {self.vm} …)"
                ) from error
            self.data["ssh_key"] = ""
            self.data["ssh_password"] = IMAGE_PASSWORD
            try:
                self._log_in()
            except AuthenticationException as error:
                raise ConnectError(
                    f"the guest {self.vm} takes neither the key {pair.private} nor the image's "
                    "password; put that key's public half in ~admin/.ssh/authorized_keys "
                    f"(tart exec {self.vm} …), or delete the guest and run again"
                ) from error
        finally:
            self.data["ssh_password"] = ""

    def _log_in(self) -> None:
        """One attempt, with paramiko's own errors: the base class wraps them beyond telling."""
        from pyinfra.connectors.sshuserclient import SSHClient  # noqa: PLC0415

        kwargs = self.make_paramiko_kwargs()
        hostname = kwargs.pop("hostname")
        self.client = SSHClient()
        try:
            self.client.connect(hostname, **kwargs)  # type: ignore[no-untyped-call]
        except BaseException:
            self.client.close()
            raise

    def _open_socket(self) -> Any:
        address = self.on_host.address()
        if address is None:
            raise AddressUnknownError(f"tart knows no address of {self.vm} yet")
        transport = self.on_host.transport()
        if transport is None:
            sock = socket.create_connection((address, 22), timeout=10)
            set_nodelay(sock)
            return sock
        return transport.open_channel("direct-tcpip", (address, 22), ("127.0.0.1", 0), timeout=10)

    def transport(self) -> Transport:
        """Return the live SSH transport. Raises ConnectError when there is none."""
        transport = self.client.get_transport() if self.client else None
        if transport is None or not transport.is_active():
            raise ConnectError(f"the connection to {self.vm} is gone")
        return transport

    def _alive(self) -> bool:
        transport = self.client.get_transport() if self.client else None
        return transport is not None and transport.is_active()

    def _answers(self) -> bool:
        """Tell whether the guest still answers: one that lost its power closes nothing."""
        try:
            self.transport().open_session(timeout=10).close()
        except (ConnectError, OSError, EOFError, SSHException):
            return False
        return True

    @override
    def disconnect(self) -> None:
        """Close the connection; the base class would leave it open."""
        super().disconnect()
        if self.client is not None:
            self.client.close()
        self.live = False

    @override
    def run_shell_command(
        self,
        command: StringCommand,
        print_output: bool = False,
        print_input: bool = False,
        **arguments: Any,
    ) -> tuple[bool, CommandOutput]:
        """Run a command; while the guest is pending, a plan gets empty answers.

        A connection that is lost in the middle is an error that says so, never a success.
        """
        if not self._ready():
            return True, CommandOutput([])
        status, output = super().run_shell_command(
            command, print_output=print_output, print_input=print_input, **arguments
        )
        if not status and not self._alive():
            raise SSHException(f"the connection to {self.vm} was lost while a command ran")
        return status, output

    def _ready(self) -> bool:
        if self.live and self._alive():
            return True
        if self.live and self.state.is_executing:
            raise SSHException(f"the connection to {self.vm} was lost")
        # A plan looks once whether the guest is there.
        if not self.state.is_executing and self._looked:
            return False
        try:
            self.connect()
        except ConnectError as error:
            raise SSHException(str(error)) from error
        return self.live

    @override
    def put_file(self, *args: Any, **kwargs: Any) -> Literal[True] | bool:
        if not self._ready():
            return True
        return super().put_file(*args, **kwargs)


class AddressUnknownError(Exception):
    """The guest has no address yet."""
