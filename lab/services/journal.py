"""A line per connection: who came from where, to which address, asking for what."""

import json
import time
from pathlib import Path
from typing import Any


class Journal:
    """Appends JSON lines to one file, each written at once."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)

    def note(self, service: str, peer: object, to: object, **facts: Any) -> None:
        """Note one event; `peer` and `to` are socket addresses."""
        entry = {
            "t": time.time(),
            "service": service,
            "from": _text(peer),
            "to": _text(to),
            **facts,
        }
        self._file.write(json.dumps(entry).encode() + b"\n")


def _text(address: object) -> str:
    if isinstance(address, tuple) and len(address) >= 2:
        return f"{address[0]}:{address[1]}"
    return str(address)
