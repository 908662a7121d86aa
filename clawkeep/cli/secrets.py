"""`clawkeep secrets`: what the project keeps encrypted in secrets.sealed."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
import warnings
from collections.abc import Callable
from typing import Final

from clawkeep import declared
from clawkeep.cli.verb import Verb, explain, say
from clawkeep.secrets.error import SecretError
from clawkeep.secrets.process import no_core_dumps
from clawkeep.secrets.reference import BadReferenceError, sealed_name
from clawkeep.secrets.sealing import key_ring
from clawkeep.secrets.secret import Secret
from clawkeep.secrets.store import Store

MOST_BYTES: Final = 64 * 1024


def _seal(store: Store, options: argparse.Namespace) -> None:
    name = sealed_name(options.name)
    fresh = not store.ring.read()
    value = _typed(name) if sys.stdin.isatty() else _piped()
    replaced = store.put(name, value)
    if fresh:
        explain(
            f"made the sealing key, {store.ring.place}; keep a copy of it elsewhere: without it "
            "nothing that is sealed can be read"
        )
    explain(f'{"replaced" if replaced else "sealed"}; its reference is "sealed:{name}"')


def _piped() -> Secret:
    """Return all of stdin, without the line break that `echo` and files end with."""
    content = sys.stdin.buffer.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise SecretError(f"stdin holds more than {MOST_BYTES >> 10} KB; nothing was sealed")
    try:
        return _some(content.decode().removesuffix("\n").removesuffix("\r"))
    except UnicodeDecodeError:
        # `from None`: the exception carries the bytes.
        raise SecretError("stdin is no UTF-8 text; nothing was sealed") from None


def _typed(name: str) -> Secret:
    """Ask twice, without an echo."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            first = getpass.getpass(f"{name}: ")
            again = getpass.getpass(f"{name}, once more: ")
        except getpass.GetPassWarning:
            raise SecretError("this terminal would show what you type; pipe it in") from None
        except EOFError:
            raise SecretError("nothing was typed; nothing was sealed") from None
    if first != again:
        raise SecretError("these were two different texts; nothing was sealed")
    return _some(first)


def _some(text: str) -> Secret:
    if not text:
        raise SecretError("there is nothing to seal; type it, or pipe it in")
    return Secret(text)


def _unseal(store: Store, options: argparse.Namespace) -> None:
    terminal = sys.stdout.isatty()
    if terminal and not options.show:
        raise SecretError("it would stand on this screen; pipe it on, or say --show")
    text = store.get(options.name).reveal()
    sys.stdout.write(f"{text}\n" if terminal else text)


def _remove(store: Store, options: argparse.Namespace) -> None:
    store.remove(options.name)
    explain("removed; copies in version control and backups stay")


def _rotate(store: Store, options: argparse.Namespace) -> None:
    old, new = store.rotate(keep_old=options.keep_old)
    stays = "stays beside it" if options.keep_old else "is gone"
    explain(f"sealed with the new key {new}; the old one, {old}, {stays} ({store.ring.place})")
    explain("a secret that somebody may have read needs to be replaced where it was issued, too")


def _list(store: Store, options: argparse.Namespace) -> None:
    sealed = sorted(store.all().items())
    if options.json:
        rows = [{"name": name, "sealed_at": one.at} for name, one in sealed]
        say(json.dumps({"file": str(store.path), "secrets": rows}, indent=2))
        return
    if not sealed:
        explain(f"nothing is sealed in {store.path}")
    width = max((len(name) for name, _ in sealed), default=0)
    for name, one in sealed:
        say(f"{name:{width}}  {one.at}")


ACTIONS: Final[dict[str, tuple[str, Callable[[Store, argparse.Namespace], None]]]] = {
    "seal": ("seal one, from a hidden prompt or stdin; one of that name is replaced", _seal),
    "unseal": ("print one to a pipe", _unseal),
    "list": ("list their names, never what they are", _list),
    "remove": ("forget one", _remove),
    "rotate": ("seal all of them with a new key", _rotate),
}


def _arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, (summary, _) in ACTIONS.items():
        action = actions.add_parser(name, help=summary, description=summary)
        if name in {"seal", "unseal", "remove"}:
            action.add_argument("name", help="the secret's name, as in sealed:NAME")
        if name == "unseal":
            action.add_argument("--show", action="store_true", help="on a terminal, too")
        if name == "rotate":
            action.add_argument(
                "--keep-old",
                action="store_true",
                help="keep the old key, too: other projects may be sealed with it",
            )
        if name == "list":
            action.add_argument("--json", action="store_true", help="print them as JSON")


def _run(options: argparse.Namespace) -> int:
    try:
        no_core_dumps()
        ACTIONS[options.action][1](Store(declared.project(), key_ring()), options)
    except (SecretError, BadReferenceError) as error:
        explain(f"clawkeep secrets {options.action}: {error}")
        return 1
    return 0


VERB = Verb(
    summary="keep secrets encrypted in the project",
    run=_run,
    arguments=_arguments,
    description="Keeps secrets in secrets.sealed, beside the declaration, encrypted with the key "
    "in\n~/.config/clawkeep/sealing.key (or where CLAWKEEP_SEALING_KEY_FILE or\n"
    "CLAWKEEP_SEALING_KEYCHAIN say). The declaration names them as sealed:NAME.",
    epilog="exit status: 0 done, 1 not, with the reason, 2 a usage error\n\n"
    "example: clawkeep secrets seal anthropic\n"
    "         clawkeep secrets list --json",
)
