"""The two shapes that repeat all over the grammar: `item` or `{ item, item }`, and numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from .context import Context

Item = TypeVar("Item")


def one_or_list(context: Context, item: Callable[[Context], Item]) -> list[Item]:
    """Read `item` or `{ item [,] item }`. A newline may follow an item, never a comma."""
    if not context.accept("{"):
        return [item(context)]
    context.newlines()
    return list_until(context, item, "}")


def list_until(context: Context, item: Callable[[Context], Item], end: str) -> list[Item]:
    """Read at least one item and the closing `end`."""
    items = [item(context)]
    context.newlines()
    while not context.accept(end):
        context.accept(",")
        items.append(item(context))
        context.newlines()
    return items


def number(context: Context) -> int:
    """Read a NUMBER token."""
    return int(context.expect("NUMBER").text)


def text(context: Context) -> str:
    """Read the grammar's `string`: one or more STRING tokens, joined by blanks."""
    words = [context.expect("STRING").text]
    while (more := context.accept("STRING")) is not None:
        words.append(more.text)
    return " ".join(words)
