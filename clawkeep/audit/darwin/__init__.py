"""What pytest-testinfra lacks on macOS: its modules for launchd, sockets, processes and the rest.

Upstream raises NotImplementedError for `service`, `socket`, `process`, `interface` and
`mount_point` on Darwin, and asks `getent` for users and groups, which no Mac has
(reference/pyinfra.md, testinfra on Darwin). Each module here is written as upstream's are, against
`host.run` alone and with upstream's own base class, so that it can be offered there as it is; the
modules `files`, `formula`, `pf_anchor` and `tart_vm` have no counterpart.
"""

from __future__ import annotations

from typing import Any

from testinfra.host import Host
from testinfra.modules.base import InstanceModule, Module

from clawkeep.audit.darwin.accounts import DarwinGroup, DarwinUser
from clawkeep.audit.darwin.files import Files
from clawkeep.audit.darwin.formula import Formula
from clawkeep.audit.darwin.interface import DarwinInterface
from clawkeep.audit.darwin.mounts import DarwinMountPoint
from clawkeep.audit.darwin.pf import PfAnchor
from clawkeep.audit.darwin.process import DarwinProcess
from clawkeep.audit.darwin.service import LaunchdService
from clawkeep.audit.darwin.socket import DarwinSocket
from clawkeep.audit.darwin.tart import TartVM

MODULES: dict[str, type[Module]] = {
    "files": Files,
    "formula": Formula,
    "group": DarwinGroup,
    "interface": DarwinInterface,
    "mount_point": DarwinMountPoint,
    "pf_anchor": PfAnchor,
    "process": DarwinProcess,
    "service": LaunchdService,
    "socket": DarwinSocket,
    "tart_vm": TartVM,
    "user": DarwinUser,
}


def darwin(backend: Any) -> Host:
    """Return testinfra's host on this backend, with the modules of macOS in upstream's place.

    Nothing is asked to find out which system it is: that costs a round trip, and is known.
    """
    host = Host(backend)
    backend.set_host(host)
    for name, module in MODULES.items():
        # As `Module.get_module` does it, once it knows the class.
        bound = type(module.__name__, (module,), {"_host": host})
        setattr(host, name, bound() if issubclass(module, InstanceModule) else bound)
    return host
