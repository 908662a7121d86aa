"""`host.tart_vm`: one local VM of Tart, from its JSON; the text output changed in 2026.

A user's VMs are that user's: `owner` names them when the look is root's. Source:
reference/tart.md §1.6.
"""

from __future__ import annotations

import shlex

from testinfra.modules.base import Module

from clawkeep import tart


class TartVM(Module):
    """A local VM.

    >>> host.tart_vm("nanoclaw-vm", owner="me").is_running
    True
    """

    def __init__(self, name: str, owner: str | None = None) -> None:
        self.name, self.owner = name, owner
        super().__init__()

    def _ask(self, command: list[str]) -> str:
        as_owner = ["sudo", "-n", "-H", "-u", self.owner] if self.owner else []
        return str(self.check_output(shlex.join([*as_owner, *command])))

    @property
    def _listed(self) -> tart.VM | None:
        found = tart.parse_list(self._ask(tart.list_local()))
        return next((vm for vm in found if vm.name == self.name), None)

    @property
    def exists(self) -> bool:
        """Tell whether there is such a VM."""
        return self._listed is not None

    @property
    def state(self) -> str:
        """Return `running`, `stopped` or `suspended`; `absent` when there is none."""
        return self._listed.state if self._listed else "absent"

    @property
    def is_running(self) -> bool:
        """Tell whether a `tart run` holds it."""
        return self.state == "running"

    @property
    def size(self) -> tart.Size:
        """Return cores, megabytes and decimal gigabytes."""
        return tart.parse_get(self._ask(tart.get(self.name)))
