"""The barrier between what is done to hosts and what is done to guests.

pyinfra interleaves the operations of different hosts level by level; an operation that all of them
call on one line is the only thing that holds them together (reference/pyinfra.md §0.1).
"""

from __future__ import annotations

from collections.abc import Generator

from paramiko import SSHException
from pyinfra import host, logger
from pyinfra.api import operation
from pyinfra.api.command import FunctionCommand
from pyinfra.api.exceptions import ConnectError
from pyinfra.api.host import Host
from pyinfra.api.state import State

from clawkeep.tart import TartError
from connectors.tart import TartConnector
from roles.probe import forget


@operation()
def reachable() -> Generator[FunctionCommand, None, None]:
    """Have a live connection to this machine; a guest is waited for while it boots."""
    connector = host.connector
    if isinstance(connector, TartConnector) and host.state.is_executing:
        was = connector.client
        try:
            connector.connect()
        except (ConnectError, OSError, SSHException, TartError) as error:
            yield FunctionCommand(_fail, [str(error)], {})
            return
        if connector.client is not was:
            forget()
    host.noop("reachable")


def _fail(state: State, host: Host, message: str) -> bool:  # noqa: ARG001 - pyinfra's signature
    """Fail the operation in words, without the traceback that an exception would bring."""
    logger.error(f"{host.print_prefix}{message}")
    return False
