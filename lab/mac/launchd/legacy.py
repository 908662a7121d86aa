"""launchctl's older verbs. load and unload exit 0 even when they fail.

They work on the system for root, on the user's GUI session (or else background domain) for others.
Source: reference/macos.md §4.2.
"""

import sys
from collections.abc import Callable

from . import describe, errors, verbs
from .control import ask
from .label import label_in
from .verbs import RefusedError

HINT = "Try running `launchctl {}` as root for richer errors."


def load(arguments: list[str]) -> int:
    """Load property lists; -w also enables their jobs. Always returns 0."""
    domain = ask("whose")["legacy"]
    for path in verbs.plists(_paths(arguments)):
        enable = label_in(path) if "-w" in arguments else None
        _tell(
            "Load", "bootstrap", ask("bootstrap", domain=domain, path=path, enable=enable)["code"]
        )
    return 0


def unload(arguments: list[str]) -> int:
    """Unload the jobs of property lists; -w also disables them. Always returns 0."""
    domain = ask("whose")["legacy"]
    for path in verbs.plists(_paths(arguments)):
        label = label_in(path)
        if label is None:
            _tell("Unload", "bootout", errors.EIO)
            continue
        code = ask("bootout", domain=domain, label=label)["code"]
        if code not in {0, errors.EINPROGRESS}:
            _tell("Unload", "bootout", errors.EIO)
        if "-w" in arguments:
            ask("override", domain=domain, label=label, disabled=True)
    return 0


def listing(arguments: list[str]) -> int:
    """List the caller's jobs, or one of them; 113 when it is unknown."""
    domain = ask("whose")["legacy"]
    if not arguments:
        print(describe.listing(ask("domain", domain=domain)["domain"]["services"]))
        return 0
    answer = ask("service", domain=domain, label=arguments[0])
    if answer["code"]:
        words = f'Could not find service "{arguments[0]}" in domain for port'
        raise RefusedError(errors.NO_SERVICE, words)
    print(describe.legacy(answer["service"]))
    return 0


def _on_label(operation: str, **extra: object) -> Callable[[list[str]], int]:
    """Return a verb that takes one label, says nothing, and exits 3 when it is unknown."""

    def act(arguments: list[str]) -> int:
        if len(arguments) != 1:
            raise RefusedError(errors.EX_USAGE, "Usage: launchctl start | stop | remove <label>")
        domain = ask("whose")["legacy"]
        code = int(ask(operation, domain=domain, label=arguments[0], **extra)["code"])
        if code == errors.EINPROGRESS:
            return 0
        return errors.ESRCH if code == errors.NO_SERVICE else code

    return act


def _paths(arguments: list[str]) -> list[str]:
    return [word for word in arguments if not word.startswith("-")]


def _tell(verb: str, modern: str, code: int) -> None:
    if code:
        print(f"{verb} failed: {code}: {errors.text(code)}", file=sys.stderr)
        print(HINT.format(modern), file=sys.stderr)


VERBS: dict[str, Callable[[list[str]], int]] = {
    "load": load,
    "unload": unload,
    "list": listing,
    "start": _on_label("kickstart", kill=False),
    "stop": _on_label("stop"),
    "remove": _on_label("bootout"),
}
