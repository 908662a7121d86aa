"""Write the JSON Schema of allowlist.yml: `python -m clawkeep.schema [FILE]`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from clawkeep.model.allowlist import Allowlist

COMMITTED = Path(__file__).resolve().parent.parent / "docs/reference/allowlist.schema.json"
DRAFT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> str:
    """Return the JSON Schema of the allowlist as text, stable from run to run."""
    document = {"$schema": DRAFT, **_plain(Allowlist.model_json_schema(by_alias=True))}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _plain(node: Any) -> Any:
    """Drop what helps nobody: made-up titles, and null for a key that is better left out."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {key: _plain(value) for key, value in node.items() if not _noise(key, value)}
    if {"type": "null"} in kept.get("anyOf", ()):
        (choice,) = (item for item in kept.pop("anyOf") if item != {"type": "null"})
        kept |= choice
    return kept


def _noise(key: str, value: Any) -> bool:
    return (key == "title" and isinstance(value, str)) or (key == "default" and value in (None, ""))


def main(argv: list[str]) -> int:
    """Write the schema to the file named in `argv`, or to its committed place; return 0."""
    path = Path(argv[1]) if len(argv) > 1 else COMMITTED
    path.write_text(schema(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
