"""What nearly every verb begins with: the declared keep, and the host that it is on."""

from __future__ import annotations

import os

from clawkeep import declared
from clawkeep.cli.verb import explain
from clawkeep.config import ConfigError
from clawkeep.model import Keep
from clawkeep.target import NoTargetError, Target, target


def keep_and_host() -> tuple[Keep, Target] | None:
    """Return both, with the state where the host's is; None after saying what is wrong."""
    try:
        keep, host = declared.keep(), target()
    except (ConfigError, NoTargetError) as error:
        explain(str(error))
        return None
    if host.state:
        os.environ.setdefault("CLAWKEEP_STATE", host.state)
    return keep, host
