"""Which Mac the keep is on: the one in `CLAWKEEP_HOST`, this one, or the lab."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LAB_ROOT = "/var/lib/clawkeep-lab"


class NoTargetError(Exception):
    """No Mac is named and no lab is up."""


@dataclass(frozen=True)
class Target:
    """The host: by which name, and how to reach it. `hostname` is None for this machine."""

    name: str
    hostname: str | None = None
    port: int = 22
    user: str | None = None
    key: str | None = None
    known_hosts: str | None = None
    state: str | None = None

    @property
    def local(self) -> bool:
        """Tell whether the host is the machine we run on."""
        return self.hostname is None

    def pyinfra_data(self) -> dict[str, Any]:
        """Return the host data with which pyinfra's `@ssh` connector reaches it."""
        if self.local:
            return {}
        data: dict[str, Any] = {"ssh_hostname": self.hostname, "ssh_port": self.port}
        if self.user:
            data["ssh_user"] = self.user
        if self.key:
            data |= {"ssh_key": self.key, "ssh_config_file": "/dev/null"}
        # pyinfra's default trusts an unknown Mac at first sight.
        data["ssh_strict_host_key_checking"] = "yes"
        if self.known_hosts:
            data["ssh_known_hosts_file"] = self.known_hosts
        return data


def target(environment: Mapping[str, str] = os.environ, system: str | None = None) -> Target:
    """Return the host to work on.

    `CLAWKEEP_HOST=user@mac[:port]` names a Mac (`@local` this one); without it, a Mac is itself
    and any other machine means the lab called `CLAWKEEP_LAB` (default "default").
    Raises NoTargetError.
    """
    named = environment.get("CLAWKEEP_HOST", "")
    if named and named != "@local":
        user, _, rest = named.rpartition("@")
        hostname, _, port = rest.partition(":")
        if not hostname or (port and not port.isdigit()):
            raise NoTargetError(f"CLAWKEEP_HOST={named}: expected user@mac or user@mac:port")
        return Target(rest, hostname, int(port or 22), user or None)
    if named == "@local" or (system or platform.system()) == "Darwin":
        return Target("@local")
    return lab(environment)


def lab(environment: Mapping[str, str]) -> Target:
    """Return the host of a lab that is up, from the file that the lab leaves for its operator."""
    name = environment.get("CLAWKEEP_LAB") or "default"
    folder = Path(environment.get("CLAWKEEP_LAB_ROOT") or LAB_ROOT) / name
    try:
        facts = json.loads((folder / "lab.json").read_text())
        port, user = int(facts["ssh_port"]), str(facts["user"])
        key, known_hosts = str(facts["key"]), str(facts["known_hosts"])
    except (ValueError, KeyError, TypeError) as error:
        raise NoTargetError(
            f"{folder / 'lab.json'} is no description of a lab ({error!r}); start it anew: "
            "python -m lab down, then python -m lab up"
        ) from error
    except OSError as error:
        raise NoTargetError(
            f"no Mac is named and the lab {name!r} is not up; set CLAWKEEP_HOST=user@mac, or start "
            f"the lab: make up{'' if name == 'default' else f' LAB={name}'}"
        ) from error
    return Target(
        f"lab-{name}",
        "127.0.0.1",
        port,
        user,
        key,
        known_hosts,
        state=str(folder / "operator" / "state"),
    )
