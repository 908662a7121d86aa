"""The guest's tool server: its launchd list."""

from __future__ import annotations

from clawkeep.render.agent_logs import FOLDER, OWN, STATE
from clawkeep.render.plist import property_list

TOOLS_LABEL = "com.nanoclaw.tools"
PROGRAM = "/usr/local/clawkeep/libexec/tools"


def tools_agent() -> bytes:
    """Return the LaunchAgent of the tool server.

    In the GUI session of the service user: Calendar, Reminders and the voice answer only there,
    and macOS asks for permission by the program that launchd started. Source: reference/macos.md
    §6, §7.
    """
    own = f"{FOLDER}/{OWN}"
    return property_list(
        {
            "Label": TOOLS_LABEL,
            "ProgramArguments": ["/usr/bin/python3", "-IS", PROGRAM],
            "RunAtLoad": True,
            "KeepAlive": True,
            "ThrottleInterval": 30,
            "LimitLoadToSessionType": "Aqua",
            "WorkingDirectory": STATE,
            "Umask": "077",
            "StandardOutPath": own,
            "StandardErrorPath": own,
        }
    )
