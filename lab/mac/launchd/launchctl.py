"""launchctl: the verbs that are about services and domains; the older ones are in `legacy`.

Exit statuses and words: reference/macos.md §4.2.
"""

import os
import re
import signal
import sys
from collections.abc import Callable
from typing import Any

from ..calls import record
from . import describe, errors, legacy, verbs
from .control import ask
from .label import label_in
from .verbs import RefusedError

DOMAIN = re.compile(r"(system|(?:gui|user)/\d+)/?")
SERVICE = re.compile(r"(system|(?:gui|user)/\d+)/(.+)")
READS = {
    "print", "print-disabled", "list", "blame", "managerpid", "manageruid", "managername",
    "getenv", "version", "error", "help", "asuser", "print-cache", "limit",
}  # fmt: skip
RETRY_HINT = "Try re-running the command as root for richer errors."
REBOOTS = {"system": True, "": True, "halt": False}
USAGE = "Usage: launchctl <subcommand> ... | help [subcommand]"
VERSION = "Darwin Bootstrapper Control Interface Version 7.0.0: lab"
Verb = Callable[[list[str]], int]


def main(argv: list[str]) -> int:
    """Run one launchctl command; return its exit status."""
    verb = argv[1] if len(argv) > 1 else "help"
    record(argv, mutates=verb not in READS)
    action = VERBS.get(verb)
    if action is None:
        return verbs.complain(f"Unrecognized subcommand: {verb}\n{USAGE}", errors.EX_USAGE)
    try:
        return action(argv[2:])
    except RefusedError as refusal:
        return verbs.complain(str(refusal), refusal.code)
    except OSError as error:
        return verbs.complain(f"Could not contact launchd: {error}", 1)


def runs_itself(argv: list[str]) -> bool:
    """Say whether this call must be the caller's own process: asuser becomes the command."""
    return argv[1:2] == ["asuser"]


def _domain(arguments: list[str], usage: str) -> str:
    found = DOMAIN.fullmatch(arguments[0]) if arguments else None
    if found is None:
        raise _misuse(arguments, usage)
    return found[1]


def _service(arguments: list[str], usage: str) -> tuple[str, str]:
    found = SERVICE.fullmatch(arguments[0]) if arguments else None
    if found is None:
        raise _misuse(arguments, usage)
    return found[1], found[2]


def _misuse(arguments: list[str], usage: str) -> RefusedError:
    words = "Unrecognized target specifier.\n" if arguments else ""
    return RefusedError(errors.EX_USAGE, f"{words}Usage: launchctl {usage}")


def _check(answer: dict[str, Any], words: str) -> None:
    code = answer["code"]
    if code:
        raise RefusedError(code, f"{words}: {code}: {errors.text(code)}")


def _bootstrap(arguments: list[str]) -> int:
    domain = _domain(arguments, "bootstrap <domain-target> [service-path, service-path2, ...]")
    paths = list(verbs.plists(arguments[1:]))
    if not paths:
        raise _misuse([], "bootstrap <domain-target> [service-path, service-path2, ...]")
    worst = 0
    for path in paths:
        code = int(ask("bootstrap", domain=domain, path=path)["code"])
        if os.geteuid() != 0 and code in {errors.EPERM, errors.BAD_OWNERSHIP, errors.WRONG_SESSION}:
            code = errors.EIO  # launchd tells only root why
        if code:
            print(f"Bootstrap failed: {code}: {errors.text(code)}", file=sys.stderr)
            worst = code
    if worst and os.geteuid() != 0:
        print(RETRY_HINT, file=sys.stderr)
    return worst


def _bootout(arguments: list[str]) -> int:
    usage = "bootout <domain-target> [service-path1, service-path2, ...] | <service-target>"
    if arguments and SERVICE.fullmatch(arguments[0]):
        domain, label = _service(arguments, usage)
        _check(ask("bootout", domain=domain, label=label), "Boot-out failed")
        return 0
    domain = _domain(arguments, usage)
    if len(arguments) == 1:
        _check(ask("log_out", domain=domain), "Boot-out failed")
    for path in verbs.plists(arguments[1:]):
        found = label_in(path)
        if found is None:
            raise RefusedError(errors.EIO, f"Boot-out failed: 5: {errors.text(errors.EIO)}")
        _check(ask("bootout", domain=domain, label=found), "Boot-out failed")
    return 0


def _override(arguments: list[str], *, disabled: bool) -> int:
    word = "disable" if disabled else "enable"
    domain, label = _service(arguments, f"{word} <service-target>")
    answer = ask("override", domain=domain, label=label, disabled=disabled)
    _check(answer, f"Could not {word} service")
    return 0


def _kickstart(arguments: list[str]) -> int:
    flags = {letter for word in arguments if word.startswith("-") for letter in word[1:]}
    rest = [word for word in arguments if not word.startswith("-")]
    if flags - set("kps"):
        raise _misuse([], "kickstart [-kps] <service-target>")
    domain, label = _service(rest, "kickstart [-kps] <service-target>")
    answer = ask("kickstart", domain=domain, label=label, kill="k" in flags)
    _not_found(answer, domain, label)
    _check(answer, f'Could not kickstart service "{label}"')
    if "p" in flags:
        print(answer["pid"])
    return 0


def _not_found(answer: dict[str, Any], domain: str, label: str) -> None:
    if answer["code"] == errors.NO_SERVICE:
        _print_missing(ask("service", domain=domain, label=label), label)


def _print_missing(answer: dict[str, Any], label: str) -> None:
    where = answer.get("description", "system")
    raise RefusedError(answer["code"], f'Could not find service "{label}" in domain for {where}')


def _print(arguments: list[str]) -> int:
    usage = "print <domain-target> | <service-target>"
    if arguments and SERVICE.fullmatch(arguments[0]):
        domain, label = _service(arguments, usage)
        answer = ask("service", domain=domain, label=label)
        if answer["code"] == errors.NO_SERVICE:
            print("Bad request.", file=sys.stderr)
            _print_missing(answer, label)
        _check(answer, "Could not print service")
        print(describe.service(answer["service"]))
        return 0
    answer = ask("domain", domain=_domain(arguments, usage))
    _check(answer, "Could not print domain")
    print(describe.domain(answer["domain"]))
    return 0


def _print_disabled(arguments: list[str]) -> int:
    answer = ask("domain", domain=_domain(arguments, "print-disabled <domain-target>"))
    _check(answer, "Could not print disabled services")
    print(describe.disabled(answer["domain"]["disabled"]))
    return 0


def _kill(arguments: list[str]) -> int:
    usage = "kill <signal-number|signal-name> <service-target>"
    domain, label = _service(arguments[1:], usage)
    word = arguments[0].removeprefix("-").upper()
    name = word if word.startswith("SIG") else f"SIG{word}"
    if not word.isdigit() and name not in signal.Signals.__members__:
        raise _misuse([], usage)
    number = int(word) if word.isdigit() else int(signal.Signals[name])
    answer = ask("kill", domain=domain, label=label, signal=number)
    _not_found(answer, domain, label)
    _check(answer, f'Could not kill service "{label}"')
    return 0


def _blame(arguments: list[str]) -> int:
    domain, label = _service(arguments, "blame <service-target>")
    answer = ask("service", domain=domain, label=label)
    _not_found(answer, domain, label)
    _check(answer, "Could not get blame")
    if answer["service"]["pid"] is None:
        raise RefusedError(errors.ESRCH, f"{label} is not running.")
    print(answer["service"]["reason"])
    return 0


def _asuser(arguments: list[str]) -> int:
    if len(arguments) < 2 or not arguments[0].isdigit():
        raise _misuse([], "asuser <UID> <command> [arguments...]")
    answer = ask("visit", uid=int(arguments[0]))
    _check(answer, "Could not switch to audit session 0x186a1")
    try:
        os.execvp(arguments[1], arguments[1:])
    except OSError as error:
        raise RefusedError(error.errno or 1, f"{arguments[1]}: {error.strerror}") from error


def _reboot(arguments: list[str]) -> int:
    how = next((word for word in arguments if not word.startswith("-")), "")
    if how not in REBOOTS:
        raise _misuse([], "reboot [system|halt|userspace|logout|apps]")
    _check(ask("shut_down", reboot=REBOOTS[how]), "Reboot failed")
    return 0


def _manager(what: str) -> Verb:
    def show(_arguments: list[str]) -> int:
        answer = ask("whose")
        names = {"system": "System", "gui": "Aqua", "user": "Background"}
        print({"pid": "1", "uid": answer["uid"], "name": names[answer["kind"]]}[what])
        return 0

    return show


def _environment(arguments: list[str], *, verb: str) -> int:
    needed = 2 if verb == "setenv" else 1
    if len(arguments) != needed:
        raise _misuse([], f"{verb} <key>{' <value>' if needed == 2 else ''}")
    value = arguments[1] if verb == "setenv" else None
    answer = ask("environment", name=arguments[0], value=value, unset=verb == "unsetenv")
    _check(answer, "Could not set environment")
    if verb == "getenv" and answer["value"] is not None:
        print(answer["value"])
    return 0


def _error(arguments: list[str]) -> int:
    code = int(arguments[-1], 0) if arguments and arguments[-1][:1].isdigit() else 0
    print(f"{code}: {errors.text(code)}")
    return 0


def _say(text: str) -> Verb:
    def say(_arguments: list[str]) -> int:
        print(text)
        return 0

    return say


VERBS: dict[str, Verb] = {
    "bootstrap": _bootstrap,
    "bootout": _bootout,
    "enable": lambda arguments: _override(arguments, disabled=False),
    "disable": lambda arguments: _override(arguments, disabled=True),
    "kickstart": _kickstart,
    "print": _print,
    "print-disabled": _print_disabled,
    "kill": _kill,
    "blame": _blame,
    "asuser": _asuser,
    "reboot": _reboot,
    "managerpid": _manager("pid"),
    "manageruid": _manager("uid"),
    "managername": _manager("name"),
    "getenv": lambda arguments: _environment(arguments, verb="getenv"),
    "setenv": lambda arguments: _environment(arguments, verb="setenv"),
    "unsetenv": lambda arguments: _environment(arguments, verb="unsetenv"),
    "error": _error,
    "version": _say(VERSION),
    "help": _say(USAGE),
    **legacy.VERBS,
}
