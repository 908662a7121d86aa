"""The barrier between what is done to hosts and what is done to guests.

pyinfra interleaves the operations of different hosts level by level; an operation that all of them
call on one line is the only thing that holds them together (reference/pyinfra.md §0.1).
"""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host, logger
from pyinfra.api import operation
from pyinfra.api.command import FunctionCommand
from pyinfra.api.exceptions import ConnectError

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
        except ConnectError as error:
            yield FunctionCommand(_fail, [str(error)], {})
            return
        if connector.client is not was:
            forget()
    host.noop("reachable")


def _fail(message: str) -> None:
    logger.error(f"    {message}")
    raise ConnectError(message)
