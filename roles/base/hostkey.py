"""SSH host keys of the guest's own: every clone of the image in the world has the same ones.

Source: reference/tart.md §5.
"""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import FunctionCommand, StringCommand
from pyinfra.api.host import Host
from pyinfra.api.state import State

from connectors.pins import KEY_FILE
from connectors.tart import TartConnector
from roles.base.account import MARKS
from roles.probe import Probe, ask, change, want

OWN = Probe(
    "host keys",
    f'[ "$(shasum -a 256 < {KEY_FILE})" = "$(cat {MARKS}/host-keys)" ]',
    lambda answer: answer.asked and answer.status == 0,
    sudo=True,
)


def own(name: str) -> None:
    """Have host keys that no other machine has, and pin them."""
    want(OWN)
    _own(name=name)


@operation()
def _own() -> Generator[StringCommand | FunctionCommand, None, None]:
    if ask(OWN):
        host.noop("the host keys are the guest's own")
        return
    yield FunctionCommand(_announce, [], {})
    yield change(
        "set -eu; rm -f /etc/ssh/ssh_host_*; ssh-keygen -A >/dev/null; "
        f"mkdir -p {MARKS}; shasum -a 256 < {KEY_FILE} > {MARKS}/host-keys; sync",
        sudo=True,
    )
    yield FunctionCommand(_pin_again, [], {})


def _announce(state: State, host: Host) -> bool:  # noqa: ARG001 - pyinfra's signature
    _guest(host).pin.begin_rotation()
    return True


def _pin_again(state: State, host: Host) -> bool:  # noqa: ARG001 - pyinfra's signature
    """Pin the new key, read over the session that the old key vouches for, and connect again."""
    guest = _guest(host)
    ok, output = guest.run_shell_command(StringCommand("cat", KEY_FILE))
    if not ok:
        return False
    guest.pin.write(output.stdout)
    guest.redial()
    return True


def _guest(host: Host) -> TartConnector:
    if not isinstance(host.connector, TartConnector):
        raise TypeError(f"{host.name} is not a guest")
    return host.connector
