"""The agent's answers, picked out of its standard output as it arrives.

An answer is a JSON object between two marker lines; there may be many, and anything may stand
around them. As NanoClaw does, the first start marker counts, and the next end marker ends it.
Source: reference/nanoclaw.md §1.6.

The direct runtime carries a copy into the guest: standard library, Python 3.9.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

START = b"---NANOCLAW_OUTPUT_START---"
END = b"---NANOCLAW_OUTPUT_END---"
#: Bytes between two markers; NanoClaw itself keeps no more of a run's whole output.
LIMIT = 10 * 1024 * 1024
STATUSES = ("success", "error")


class Output(NamedTuple):
    """What stood between one pair of markers.

    `status` is "success", "error", or "malformed" when no output of the contract stood there;
    `error` then says why. `result` is None for a pair that only tells the session.
    """

    status: str
    result: str | None = None
    session_id: str | None = None
    error: str | None = None


class Markers:
    """Takes standard output in pieces of any size; what it keeps in memory is bounded."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self._rest = bytearray()
        self._scanned = 0
        self._inside = False
        self._lost = 0

    def feed(self, data: bytes) -> list[Output]:
        """Take the next bytes; return the outputs that they complete, in order."""
        self._rest += data
        found: list[Output] = []
        while True:
            marker = END if self._inside else START
            at = self._rest.find(marker, self._scanned)
            if at < 0:
                self._forget(len(marker) - 1)
                return found
            if self._inside:
                found.append(self._output(bytes(self._rest[:at])))
            del self._rest[: at + len(marker)]
            self._scanned, self._lost = 0, 0
            self._inside = not self._inside

    @property
    def unfinished(self) -> bool:
        """Whether a start marker waits for its end: the agent ended in the middle of an answer."""
        return self._inside

    def _forget(self, overlap: int) -> None:
        """Drop what can be part of no output; a marker may have begun in the last bytes."""
        keep = len(self._rest)
        if not self._inside or self._lost or keep > self.limit + overlap:
            keep = min(keep, overlap)
        dropped = len(self._rest) - keep
        self._lost += dropped if self._inside else 0
        del self._rest[:dropped]
        self._scanned = max(0, keep - overlap)

    def _output(self, text: bytes) -> Output:
        size = len(text) + self._lost
        if self._lost or size > self.limit:
            return Output("malformed", error=f"{size} bytes, the limit is {self.limit}")
        try:
            return _read(json.loads(text.decode()))
        except (ValueError, RecursionError) as error:
            return Output("malformed", error=str(error))


def _read(value: Any) -> Output:
    """Check the fields of an output. Raises ValueError."""
    if not isinstance(value, dict) or value.get("status") not in STATUSES:
        raise ValueError("no object with a status of the contract")
    texts = [value.get(name) for name in ("result", "newSessionId", "error")]
    if not all(text is None or isinstance(text, str) for text in texts):
        raise ValueError("result, newSessionId and error must be texts")
    return Output(value["status"], *texts)
