"""Home Assistant from the shell: `ha_api`, a small program, and its token."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources

from clawkeep.skills.agents import AgentFile, ForAgents
from clawkeep.skills.skill import (
    PROGRAMS,
    Options,
    Ref,
    Scene,
    SecretText,
    Skill,
    Wants,
    Word,
)
from clawkeep.skills.tools import Failed, Tools

TOKEN_FILE = ".config/clawkeep/home-assistant.token"  # noqa: S105 - a path
GUIDE = """\
`ha_api` speaks to Home Assistant and prints JSON.

    ha_api states                      all states; long, so pipe it through jq
    ha_api states light.kitchen        one entity
    ha_api services                    what can be called, by domain
    ha_api call light turn_on '{"entity_id": "light.kitchen"}'

A call acts on the real house at once: read the state first, and change only what you were asked to.
"""


class HaApi(Options):
    """`service` names Home Assistant's door; `token` is a long-lived access token."""

    token: Ref
    service: Word = "home-assistant"


def wants(options: HaApi, scene: Scene) -> Wants:
    """Return the program, told where the door is, and its token."""
    door = scene.door(options.service, "http", "18123 homeassistant.lan:8123")
    source = (resources.files("clawkeep.skills") / "programs" / "ha_api").read_text()
    text = source.replace("@NAME@", door.guest_name or "").replace("@PORT@", str(door.port))

    def token(secrets: Mapping[str, str]) -> str:
        return f"{secrets['token']}\n"

    return Wants(
        programs={f"{PROGRAMS}/ha_api": text},
        secrets={"token": options.token},
        secret_files=(SecretText(TOKEN_FILE, token),),
        doors=(door.name,),
        agents=ForAgents(
            "Home Assistant from the shell: states of devices and sensors, and calling services.",
            GUIDE,
            programs=("ha_api",),
            files=(AgentFile(TOKEN_FILE),),
        ),
        question={"program": f"{PROGRAMS}/ha_api", "token": TOKEN_FILE},
    )


def probe(tools: Tools) -> str:
    """Read the states and the services, as the program does for the agent."""
    tools.secret(tools.question["token"])
    counts = {}
    for what in ("states", "services"):
        done = tools.run(tools.question["program"], what)
        if done.status != 0:
            raise Failed(done.words)
        counts[what] = len(json.loads(done.out))
    if not counts["states"]:
        raise Failed("Home Assistant shows this token no states")
    return f"{counts['states']} states, services of {counts['services']} domains"


SKILL = Skill("Home Assistant's states and services from the shell", HaApi, wants, probe)
