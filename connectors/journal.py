"""The journal on the host: every operation that changed something, when, by whom, for which model.

Written as each operation ends, so that a killed run has left what it did. An operation that changed
nothing costs nothing.
"""

from __future__ import annotations

import getpass
import json
import socket
import time
from weakref import WeakSet

from pyinfra import logger
from pyinfra.api.command import QuoteString, StringCommand
from pyinfra.api.host import Host
from pyinfra.api.state import BaseStateCallback, State

JOURNAL = "/opt/clawkeep/journal.jsonl"

# Readable by all, writable by root, and only ever appended to.
APPEND = f"umask 022; mkdir -p /opt/clawkeep && {{ [ -L {JOURNAL} ] && exit 1; cat >> {JOURNAL}; }}"

_kept: WeakSet[State] = WeakSet()


def keep(state: State, digest: str, tart_host: str) -> None:
    """Have this run write its journal; called once per machine, effective once per run."""
    if state not in _kept:
        _kept.add(state)
        state.add_callback_handler(_Journal(digest, tart_host))  # type: ignore[no-untyped-call]


class _Journal(BaseStateCallback):
    """Appends one line per machine that an operation changed."""

    def __init__(self, digest: str, tart_host: str) -> None:
        self.digest = digest
        self.tart_host = tart_host

    def operation_end(self, state: State, op_hash: str) -> None:  # type: ignore[override]
        """Write what the operation that just ended has changed."""
        lines = [
            self._line(host, ", ".join(state.get_op_meta(op_hash).names))
            for host in state.inventory.get_active_hosts()
            if op_hash in state.ops[host]
            and state.ops[host][op_hash].operation_meta.is_complete()
            and state.ops[host][op_hash].operation_meta.did_change()
        ]
        if lines:
            self._write(state.inventory.get_host(self.tart_host), "\n".join(lines))

    def _line(self, host: Host, operation: str) -> str:
        who = f"{getpass.getuser()}@{socket.gethostname()}"
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        return json.dumps(
            {"t": when, "who": who, "model": self.digest, "machine": host.name, "did": operation}
        )

    def _write(self, mac: Host, text: str) -> None:
        if not mac.connected:
            mac.connect(reason="to write its journal", raise_exceptions=True)
        command = StringCommand("sh", "-c", QuoteString(APPEND))
        ok, output = mac.run_shell_command(command, _sudo=True, _stdin=text)
        if not ok:
            logger.warning(f"{mac.name}: the journal {JOURNAL} was not written: {output.stderr}")
