"""The JSON Schema agrees with the loader, as far as a schema can say it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from clawkeep.schema import schema

SERVICE: dict[str, Any] = json.loads(schema())["$defs"]["Service"]


def test_the_schema_names_what_a_service_must_have() -> None:
    assert SERVICE["required"] == ["name", "port", "target", "kind"]
    assert SERVICE["additionalProperties"] is False
    assert "bind" not in SERVICE["properties"]


def test_the_schema_knows_the_ports_that_are_taken() -> None:
    port = SERVICE["properties"]["port"]
    assert (port["type"], port["minimum"], port["maximum"]) == ("integer", 1024, 65535)
    assert port["not"] == {"enum": [2049, 3053, 3128, 3283, 5000, 5900, 7000]}


@pytest.mark.parametrize("key", ["server_name", "ca", "idle_timeout_s", "note"])
def test_a_key_without_a_value_is_not_in_the_schema(key: str) -> None:
    assert SERVICE["properties"][key]["type"] in {"string", "integer"}
    assert "anyOf" not in SERVICE["properties"][key]


def test_every_key_is_described() -> None:
    assert all(value.get("description") for value in SERVICE["properties"].values())


def test_the_command_writes_the_schema(tmp_path: Path) -> None:
    target = tmp_path / "schema.json"
    subprocess.run([sys.executable, "-m", "clawkeep.schema", str(target)], check=True)
    assert target.read_text() == schema()
