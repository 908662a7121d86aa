"""What `clawkeep verify` makes of pyinfra's plan."""

from __future__ import annotations

import json

import pytest

from clawkeep.cli.verify import rows


def plan(*operations: dict[str, object]) -> str:
    return json.dumps({"plan": list(operations)})


def operation(name: str, change: list[str], conditional: list[str]) -> dict[str, object]:
    return {
        "name": name,
        "hosts_with_change": change,
        "hosts_with_conditional_change": conditional,
    }


def test_each_operation_says_where_it_would_change() -> None:
    text = plan(operation("a", [], []), operation("b", ["mini"], []), operation("c", [], ["vm"]))
    assert rows(text) == [
        {"operation": "a", "differs_on": []},
        {"operation": "b", "differs_on": ["mini"]},
        {"operation": "c", "differs_on": ["vm"]},
    ]


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", '{"plan": []}', '{"plan": [{}]}'])
def test_a_plan_that_cannot_be_read_verifies_nothing(text: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        rows(text)
