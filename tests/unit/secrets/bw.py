"""A `bw` for tests: answers as the real one (2026.6) was seen to, and notes how it was called."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SESSION = "session+key/of=the-test=="

PROGRAM = """#!{python}
import json, os, sys
folder = {folder!r}
with open(folder + "/calls", "a") as log:
    call = {{"argv": sys.argv[1:], "debug": "BITWARDENCLI_DEBUG" in os.environ}}
    log.write(json.dumps(call) + "\\n")
vault = json.load(open(folder + "/vault.json"))

def leave(status, **answer):
    print(json.dumps({{"success": status == 0, **answer}}))
    sys.exit(status)

assert sys.argv[1:3] == ["--nointeraction", "--response"], sys.argv
words = sys.argv[3:]
if vault.get("chatter"):
    print(vault["chatter"])
if vault.get("garbage"):
    print("something else " + vault["garbage"]); sys.exit(3)
unlocked = vault["status"] != "unauthenticated" and os.environ.get("BW_SESSION") == {session!r}
state = "unlocked" if unlocked else vault["status"]
if words == ["status"]:
    leave(0, data={{"object": "template", "template": {{
        "serverUrl": "https://vault.example", "lastSync": "2026-11-21T11:23:18.117Z",
        "status": state}}}})
if state == "unauthenticated":
    leave(1, message="You are not logged in.")
if state == "locked":
    leave(1, message="Vault is locked.")
if words == ["sync"]:
    if vault.get("down"):
        leave(1, message="Syncing failed: FetchError: " + vault["down"])
    leave(0, data={{"object": "message", "title": "Syncing complete.", "message": None}})
assert words[:2] == ["get", "item"] and len(words) == 3, words
found = [i for i in vault["items"] if words[2] == i["id"]]
found = found or [i for i in vault["items"] if words[2].lower() in i["name"].lower()]
if not found:
    leave(1, message="Not found.")
if len(found) > 1:
    ids = [i["id"] for i in found]
    leave(1, message="More than one result was found. Try getting a specific object by `id` "
          "instead. The following objects were found:\\n" + "\\n".join(ids), data=ids)
leave(0, data=found[0])
"""


@dataclass
class Bw:
    """The stand-in, its vault and its calls."""

    folder: Path

    def install(self) -> None:
        """Lay the program down; the vault is unlocked for SESSION and empty."""
        program = self.folder / "bw"
        program.write_text(
            PROGRAM.format(python=sys.executable, folder=str(self.folder), session=SESSION)
        )
        program.chmod(0o755)
        self.vault(items=[])

    def vault(self, **values: Any) -> None:
        """Set what it knows: items, status, down, chatter, garbage."""
        vault = {"status": "locked", "items": [], **values}
        (self.folder / "vault.json").write_text(json.dumps(vault))

    def calls(self) -> list[dict[str, Any]]:
        """Return how it was called."""
        log = self.folder / "calls"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def environment(self, session: str | None = SESSION) -> dict[str, str]:
        """Return the environment of an operator who has unlocked it, or not (None)."""
        return {"PATH": str(self.folder)} | ({"BW_SESSION": session} if session else {})


def item(number: int, name: str, **fields: Any) -> dict[str, Any]:
    """Return an item as `bw get item` prints it; `fields` are custom ones, lists for twins."""
    custom = [
        {"type": 1, "name": key, "value": one}
        for key, value in fields.items()
        for one in (value if isinstance(value, list) else [value])
    ]
    return {
        "type": 1, "object": "item", "name": name, "fields": custom, "reprompt": 0,
        "id": f"{number:08d}-0000-4000-8000-000000000000",
    }  # fmt: skip
