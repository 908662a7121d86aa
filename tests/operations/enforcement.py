"""What a host says to the survey of `clawkeep.survey`, in the few words of a data file.

keep    the keep whose policy is on the host, `null` for none
link    [bridge, gateway, prefix, guest] of the doors that are open, `null` while all is closed
…       any part of the survey in its own words, such as "info": "Status: Disabled"
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from clawkeep import survey
from clawkeep.declaration import policy_of
from clawkeep.link import Link
from clawkeep.model import Decisions, Guest, Host, Keep, Service
from clawkeep.policy import Policy, openings
from clawkeep.render import anchor as render
from roles.network.guard import closed_policy

#: Noon of a day.
NOW = 1_800_000_000

MAIN = 'scrub-anchor "com.apple/*" all fragment reassemble\nanchor "com.apple/*" all'


def keep_of(data: Mapping[str, Any]) -> Keep:
    """Return the keep that a data file writes down."""
    services = tuple(Service.model_validate(service) for service in data["services"])
    return Keep(
        services=services,
        guest=Guest(name="keep"),
        host=Host(**data.get("host", {})),
        decisions=Decisions(**data.get("decisions", {})),
    )


def policy(data: Mapping[str, Any]) -> Policy:
    """Return its policy on the host of `me`; with `"closed": true` the one of which all is shut."""
    whole = policy_of(keep_of(data), owner="me", owner_uid=501, owner_home="/Users/me", cas={})
    return closed_policy(whole) if data.get("closed") else whole


def answer(data: Mapping[str, Any]) -> str:
    """Return what the survey's script prints."""
    there = policy(data["keep"]) if data.get("keep") else None
    rules = render.deny_all()
    if there is not None and data.get("link"):
        rules = render.anchor(openings(there, now=NOW), Link.of(*data["link"]))
    said = dict.fromkeys(survey.PARTS, "") | {
        "info": "Status: Enabled for 0 days 00:10:00           Debug: Urgent",
        "main": MAIN,
        "doors": "\n".join(render.printed(rules)),
        "wall": "\n".join(render.printed(render.wall())),
        "rules": rules,
        "policy": there.text() if there is not None else "",
        "now": str(NOW),
        "job": "\tpid = 812",
    }
    for name, text in data.items():
        if name in said:
            said[name] = text if isinstance(text, str) else json.dumps(text)
    return "\n".join(f"{survey.MARK} {name}\n{text}\n" for name, text in said.items())
