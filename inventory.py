"""Which hosts, and which guests on them.

`CLAWKEEP_HOST=user@mac` names the Mac; on a Mac without it, the Mac is this one; anywhere else it
is the lab. A declaration with a mistake ends the run here, before anything is connected.
"""

import os
import sys
from pathlib import Path

from pyinfra import config

from clawkeep import declared
from clawkeep.config import ConfigError
from clawkeep.target import NoTargetError, target
from connectors.sockets import SSH_DEFAULTS

config.REQUIRE_PYINFRA_VERSION = ">=3.10,<3.11"
# With -y pyinfra drops a failed host and goes on with the others: never build on a failure.
config.FAIL_PERCENT = 0

os.environ.setdefault("CLAWKEEP_PROJECT", str(Path(__file__).resolve().parent))

try:
    _keep = declared.keep()
    _target = target()
except (ConfigError, NoTargetError) as _error:
    sys.stderr.write(f"{_error}\n")
    sys.exit(2)

if _target.state:
    os.environ.setdefault("CLAWKEEP_STATE", _target.state)

hosts = [
    (
        _target.name,
        _target.pyinfra_data()
        | ({} if _target.local else {"ssh_paramiko_connect_kwargs": SSH_DEFAULTS}),
    )
]
guests = [(f"@tart/{_keep.guest.name}", {"tart_host": _target.name})]
