"""Whether the agent's model takes its credential: asked of the guest every few minutes.

The runtime in the guest notes what each agent answered; only the model can refuse a credential,
and it does so in a sentence (reference/nanoclaw.md §2.3). The guest may lie about itself: then
there is an alert too many or one too few, and nothing else depends on it.
"""

from __future__ import annotations

import json
import subprocess

from clawkeep.alerts import Event
from clawkeep.contract.verdict import judge
from clawkeep.onhost import guest_state, world
from clawkeep.policy import PolicyError

KEY = "agent-credential"
EVERY_S = 300.0
GUEST_S = 10.0
REFUSED = frozenset({"login", "credential", "billing"})

#: Python 3.9, in the guest: the newest results, and since when the credentials are these.
PROGRAM = """
import json, os
root = "/opt/nanoclaw/state/"
lines = []
for name in ("runtime.jsonl.1", "runtime.jsonl"):
    try:
        with open(root + "logs/" + name, "rb") as file:
            file.seek(max(0, os.path.getsize(file.name) - 131072))
            lines += file.read().splitlines()
    except OSError:
        pass
found = []
for line in lines:
    try:
        each = json.loads(line)
    except ValueError:
        continue
    if isinstance(each, dict) and each.get("event") == "result":
        found.append({name: each.get(name) for name in ("t", "status", "text", "chars")})
changed = [os.stat(root + n).st_mtime for n in (".env", "credentials") if os.path.exists(root + n)]
print("@" + json.dumps({"last": found[-5:], "changed": max(changed, default=0)}))
"""


def look() -> Event | bool | None:
    """Return the event of a refused credential, True when it is accepted, None if nobody knows."""
    try:
        policy = world.policy()
        text = guest_state.run(policy, ["/usr/bin/python3", "-I", "-"], PROGRAM, GUEST_S)
    except (PolicyError, OSError, subprocess.SubprocessError):
        return None
    return judged(text)


def judged(text: str) -> Event | bool | None:
    """Judge what the guest printed; see `look`."""
    try:
        said = json.loads(text.rpartition("\n@")[2] if "\n@" in text else text.lstrip("@"))
        results, changed = list(said["last"]), float(said["changed"])
        for result in reversed(results):
            if float(result["t"]) < changed:
                break
            shown = result.get("text")
            # What was an answer is noted by its length alone.
            verdict = judge(shown if isinstance(shown, str) else "x" * int(result["chars"] > 0))
            if verdict.reason in REFUSED:
                words = f"the model refuses the agent's credential ({verdict.reason})"
                return Event(KEY, "warning", words, verdict.detail, source="watch")
            if verdict.ok and result.get("status") == "success":
                return True
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        pass
    return None
