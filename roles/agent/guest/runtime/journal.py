"""What the runtime did, one JSON object a line, for the operator's side: state/logs/runtime.jsonl.

No prompt, no credential and no answer: only the sentences with which Claude Code says that it
could not ask its model, for they say what is wrong.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from typing import Any

from clawkeep.contract.markers import Output
from roles.agent.guest.runtime.settings import Settings

#: What a credential of Anthropic's looks like, should an agent print one.
_SECRET = re.compile(r"sk-ant-[\w-]+")


class Journal:
    """The lines of one run. A log that cannot be written never ends a run."""

    def __init__(self, settings: Settings, name: str, group: str) -> None:
        self.path = settings.state + "/logs/runtime.jsonl"
        self.name, self.group = name, group

    def write(self, event: str, **facts: Any) -> None:
        """Append one line, in one piece: others write here too, and the file may be renamed."""
        line = {"t": round(time.time(), 3), "event": event, "name": self.name, "group": self.group}
        data = (json.dumps({**line, **facts}) + "\n").encode()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(self.path, flags, 0o600)
            try:
                os.write(descriptor, data)
            finally:
                os.close(descriptor)
        except OSError as error:
            sys.stderr.write(f"docker: {self.path}: {error.strerror}\n")

    def output(self, output: Output) -> None:
        """Note an answer by its length; one that only tells the session is none."""
        if output.status == "success" and output.result is None:
            return
        good = output.status == "success"
        text = (output.result if good else output.error) or ""
        shown = None
        # Slow to load, and not needed before the first answer.
        from clawkeep.contract.verdict import judge  # noqa: PLC0415

        verdict = judge(text)
        if not verdict.ok:
            shown = _SECRET.sub("sk-ant-…", verdict.detail)
        status = "success" if good else "error"
        self.write("result", status=status, chars=len(text), text=shown)
