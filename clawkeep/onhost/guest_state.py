"""Runs a program in the guest as the user whom the agent's state belongs to, over vsock."""

from __future__ import annotations

from clawkeep import tart
from clawkeep.canary import ask
from clawkeep.policy import Policy

# tart's guest agent runs in the session of the user who logs in, which need not be that user.
AS_OWNER = """
u=$(stat -f %Su /opt/nanoclaw/state 2>/dev/null) || exit 0
if [ "$(id -un)" = "$u" ]; then exec "$@"; else exec sudo -n -H -u "$u" "$@"; fi
"""


def run(policy: Policy, command: list[str], text: str, timeout_s: float) -> str:
    """Return what `command` prints in the guest with `text` on its stdin, errors included.

    Nothing when there is no agent. The guest decides what that is. Raises OSError.
    """
    words = [tart.TART, "exec", "-i", policy.guest, "/bin/sh", "-c", AS_OWNER, "sh", *command]
    return ask.as_owner(policy, words, text, timeout_s)
