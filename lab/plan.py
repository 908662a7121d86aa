"""What a lab's world is told by whoever starts it."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Plan:
    """What the world is told: the lab's folder, the sources of binds, and two descriptors."""

    folder: str
    python: str
    mac: str
    linux: str
    bottles: str
    hostname: str
    init: Sequence[str]
    listener: int
    lock: int

    def to_json(self) -> str:
        """Return the plan as one line."""
        return json.dumps(asdict(self))
