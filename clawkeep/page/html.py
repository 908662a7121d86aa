"""Makes HTML. The only place where text becomes markup, so the only one where it is escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable

from clawkeep.onhost.plain import plain

VOID = frozenset({"meta", "link", "br", "wbr"})
WIDTH = 600
"""Letters of one text: a guest must not fill the page."""


class Html(str):
    """Markup that is safe to send: made by this module alone."""

    __slots__ = ()


Child = Html | str | int | float | None | Iterable["Child"]


def h(tag: str, *children: Child, **attributes: Html | str | int | float | bool | None) -> Html:
    """Return an element. A text among `children` is escaped, None is nothing.

    Attributes end in `_` where Python has the word, and have `-` for `_`; False and None leave one
    out.
    """
    words = [tag]
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        key = name.rstrip("_").replace("_", "-")
        words.append(key if value is True else f'{key}="{_one(value)}"')
    start = f"<{' '.join(words)}>"
    return Html(start if tag in VOID else f"{start}{join(*children)}</{tag}>")


def join(*children: Child) -> Html:
    """Return children one after another."""
    return Html("".join(_one(child) for child in children))


def text(value: str) -> Html:
    """Return a text as markup: one line, escaped, nothing in it but what can be seen."""
    shown = value if len(value) <= WIDTH else f"{value[: WIDTH - 1]}…"
    return Html(html.escape(plain(shown, WIDTH), quote=True))


def trusted(markup: str) -> Html:
    """Return markup that this package's own code has made, and escaped, elsewhere."""
    return Html(markup)


def _one(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Html):
        return child
    if isinstance(child, str | int | float):
        return text(str(child))
    return "".join(_one(each) for each in child)
