"""Where alerts go, as it is declared."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from clawkeep.model.base import Declared
from clawkeep.secrets.reference import Reference, parse

Location = tuple[str | int, ...]
SPAN = re.compile(r"([1-9][0-9]{0,5})(s|m|h|d)")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
LEAST_EVERY_S, MOST_EVERY_S = 10, 86400
LEAST_REPEAT_S, MOST_REPEAT_S = 60, 30 * 86400


def _reference(value: Any) -> str:
    # Whatever stands there may be the address itself, which is a secret: no message shows it.
    return str(parse(value))


def _span(least: int, most: int) -> AfterValidator:
    def check(text: str) -> str:
        match = SPAN.fullmatch(text)
        if not match or not least <= seconds(text) <= most:
            raise ValueError(f"{text!r} is no span of {least} s to {most // 86400} d; write 90s, "
                             "15m, 6h or 1d")  # fmt: skip
        return text

    return AfterValidator(check)


def _name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise ValueError(f"{text!r} is no name; expected up to 32 lower-case letters, digits and -")
    return text


def seconds(text: str) -> int:
    """Return the seconds of a declared span."""
    match = SPAN.fullmatch(text)
    return int(match[1]) * SECONDS[match[2]] if match else 0


class AlertHook(Declared):
    """One place that alerts go to. Its address and token are references, never the values."""

    hook: Literal["discord", "ntfy", "ping", "notification"]
    name: Annotated[str, AfterValidator(_name)] | None = None
    url: Annotated[str, BeforeValidator(_reference)] | None = None
    token: Annotated[str, BeforeValidator(_reference)] | None = None
    min: Literal["info", "warning", "critical"] = "warning"
    repeat: Annotated[str, _span(LEAST_REPEAT_S, MOST_REPEAT_S)] = "6h"
    recovery: bool = True
    per_hour: int = Field(default=60, ge=1, le=3600)
    every: Annotated[str, _span(LEAST_EVERY_S, MOST_EVERY_S)] = "1m"
    plain_http: bool = False

    @property
    def called(self) -> str:
        """Its name: its kind, when it was given none."""
        return self.name or self.hook

    @property
    def references(self) -> dict[str, Reference]:
        """Where its address and its token are kept."""
        given = {"url": self.url, "token": self.token}
        return {name: parse(text) for name, text in given.items() if text is not None}


#: Hook -> keys that mean nothing there.
IDLE = {
    "discord": {"token": "its address is all that a webhook needs", "every": ""},
    "ntfy": {"every": ""},
    "ping": {
        "token": "its address is all that a ping needs",
        **dict.fromkeys(("repeat", "recovery", "per_hour"), "a ping is sent `every` so often"),
    },
    "notification": {
        "url": "a notification is shown on the Mac itself",
        **dict.fromkeys(("token", "every", "plain_http"), ""),
    },
}


def alert_conflicts(hooks: Sequence[AlertHook]) -> Iterator[tuple[Location, str]]:
    """Yield where (below the declaration's top) and how hooks do not fit themselves or others."""
    names = Counter(hook.called for hook in hooks)
    for index, hook in enumerate(hooks):
        place: Location = ("alerts", index)
        if hook.hook != "notification" and hook.url is None:
            yield place, f'a {hook.hook} hook needs "url", a reference such as "sealed:{hook.hook}"'
        for key in sorted(hook.model_fields_set & IDLE[hook.hook].keys()):
            why = IDLE[hook.hook][key]
            yield (
                (*place, key),
                f"means nothing to {hook.hook}{f': {why}' if why else ''}; remove it",
            )
        if names[hook.called] > 1:
            yield place, f'more than one hook is called {hook.called!r}; give each a "name"'
