"""stop, suspend, exec: what acts on a VM that runs. Source: reference/tart.md §1.6-1.7."""

from __future__ import annotations

import os
import signal
import time

from ..guestagent import client
from . import local_storage
from .arguments import Values
from .errors import TartError, VMNotRunningError

DEFAULT_TIMEOUT_S = 30
TICK_S = 0.1


def stop(values: Values) -> int:
    """`tart stop NAME`: SIGINT to `tart run`, then SIGKILL. To the guest both are a power cut."""
    name = values.positionals[0]
    timeout = values.integer("timeout")
    vm = local_storage.open_vm(name)
    if vm.state == "suspended":
        vm.state_file.unlink(missing_ok=True)
        return 0
    pid = vm.running_pid()
    if not pid:
        raise VMNotRunningError(name)
    os.kill(pid, signal.SIGINT)
    deadline = time.monotonic() + (DEFAULT_TIMEOUT_S if timeout is None else timeout)
    while time.monotonic() < deadline:
        pid = vm.running_pid()
        if not pid:
            return 0
        time.sleep(TICK_S)
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError as error:
        raise TartError(
            f'failed to forcefully terminate the VM "{name}": {error.strerror}'
        ) from error
    return 0


def suspend(values: Values) -> int:
    """`tart suspend NAME`: asks `tart run`, which says what it cannot do."""
    name = values.positionals[0]
    pid = local_storage.open_vm(name).running_pid()
    if not pid:
        # tart passes the whole sentence as the name.
        raise VMNotRunningError(f'VM "{name}" is not running')
    os.kill(pid, signal.SIGUSR1)
    return 0


def exec_(values: Values) -> int:
    """`tart exec [-i] [-t] NAME CMD…`: runs as the user logged in at the guest's screen."""
    name, *command = values.positionals
    vm = local_storage.open_vm(name)
    if not vm.running_pid():
        raise VMNotRunningError(name)
    interactive = "interactive" in values.flags
    try:
        return client.execute(vm.path, command, interactive=interactive, tty="tty" in values.flags)
    except client.NoAgentError as error:
        raise AgentUnreachableError(str(error)) from error


class AgentUnreachableError(TartError):
    """The agent does not answer."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            f"Failed to connect to the VM using its control socket: {detail}, "
            "is the Tart Guest Agent running?"
        )
