"""What tells the guest's programs where the proxy is. A convenience: the proxy is enforced by pf.

Each of these names has a program that reads only it: curl takes no upper-case HTTP_PROXY, Node 22
none at all without NODE_USE_ENV_PROXY. What is bridged must not go to the proxy, which refuses it,
so the gateway and the services' names are exempt (kubectl asks the proxy otherwise).
Standard library only. Source: reference/macos.md §2.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address
from typing import Any

from clawkeep.policy import PROXY_PORT, Openings

ENV_FILE = "/etc/clawkeep/proxy.env"
"""In the guest: shell assignments that every zsh reads, root's own."""

MARK = "CLAWKEEP_EGRESS"
"""Set beside our variables in Claude's settings, so that exactly ours are taken away again."""

CLAUDE = {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}
"""No telemetry and error reports, which would only be refused. Source: features B5'."""


def proxy_environment(
    openings: Openings, gateway: IPv4Address, names: Iterable[str] = ()
) -> dict[str, str]:
    """Return the environment for the guest's programs and jobs; empty when nothing goes by name.

    The provisioning window alone gives none: its commands are told themselves. `names` are exempt
    besides the guest names of the open doors.
    """
    if not (openings.domains or openings.report):
        return {}
    doors = (door.guest_name for door in openings.doors if door.guest_name)
    exempt = dict.fromkeys(("localhost", "127.0.0.1", "::1", str(gateway), *doors, *names))
    url, direct = f"http://{gateway}:{PROXY_PORT}", ",".join(exempt)
    values = {"https_proxy": url, "http_proxy": url, "all_proxy": url, "no_proxy": direct}
    both = {key: value for name, value in values.items() for key, value in
            ((name.upper(), value), (name, value))}  # fmt: skip
    return {**both, "NODE_USE_ENV_PROXY": "1"}


def env_file(environment: Mapping[str, str]) -> str:
    """Return the text of `ENV_FILE`."""
    lines = (f"export {name}={shlex.quote(value)}" for name, value in environment.items())
    return "\n".join(("# Written by clawkeep: the egress proxy of this keep.", *lines)) + "\n"


def claude_settings(text: str, environment: Mapping[str, str]) -> str:
    """Return Claude's settings.json with our variables in its `env`; all else stays.

    With an empty `environment` ours are taken away, and nobody else's. Returns `text` itself when
    there is nothing to do. Raises ValueError for what is no JSON object.
    """
    settings: Any = json.loads(text) if text.strip() else {}
    if not isinstance(settings, dict) or not isinstance(settings.get("env", {}), dict):
        raise ValueError("expected a JSON object whose `env` is one, too")  # noqa: TRY004 - of the text
    old = settings.get("env", {})
    known = {*_names(), *CLAUDE, MARK} if MARK in old else set()
    kept = {name: value for name, value in old.items() if name not in known}
    ours = {**environment, **CLAUDE, MARK: "domains"} if environment else {}
    new = {**kept, **ours}
    if new == old:
        return text
    if new:
        settings["env"] = new
    else:
        del settings["env"]
    return json.dumps(settings, indent=2) + "\n"


def _names() -> tuple[str, ...]:
    everything = Openings(domains=("example.com",))
    return tuple(proxy_environment(everything, IPv4Address("192.168.64.1")))
