"""The guest's files in /etc/resolver, when names are the resolver's business, and none otherwise.

The resolver itself is the host's (clawkeep/onhost/resolver.py); the guard starts it.
"""

from __future__ import annotations

import shlex
from collections.abc import Generator

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import StringCommand

from clawkeep.model import Keep
from clawkeep.render.resolver import FOLDER, MARK, resolver_files
from roles.bundle import File, install
from roles.network.gateway import ASK, NoGatewayError, gateway
from roles.network.names import FLUSH
from roles.probe import Answer, Probe, ask, change, want
from roles.told import told


def _files(answer: Answer) -> tuple[str, dict[str, str]]:
    """Read the gateway, and the text of each file whose first line is our mark."""
    line, *parts = answer.text.split("\n@@ ")
    files = {}
    for part in parts:
        path, _, text = part.partition("\n")
        if text.startswith(MARK):
            files[path] = text.rstrip("\n") + "\n"
    return line, files


STATE = Probe(
    "resolver files",
    f"{ASK}; "
    f'for f in {FOLDER}/*; do [ -f "$f" ] && {{ echo "@@ $f"; cat "$f"; echo; }}; done; true',
    _files,
)


def files(name: str, keep: Keep) -> None:
    """Have the guest ask the resolver for the declared names; files of anybody else's stay."""
    want(STATE)
    _resolver_files(name=name, keep=keep)


@operation()
def _resolver_files(keep: Keep) -> Generator[StringCommand, None, None]:
    line, found = ask(STATE)
    wanted: dict[str, str] = {}
    if keep.decisions.dns == "resolver":
        try:
            wanted = resolver_files(keep.services, gateway(line))
        except NoGatewayError as error:
            yield change('echo "$1" >&2; exit 1', str(error))
            return
    if wanted == found:
        host.noop(f"{len(wanted)} names are the resolver's")
        return
    due = [path for path, text in wanted.items() if found.get(path) != text]
    gone = sorted(found.keys() - wanted.keys())
    for path in (*due, *gone):
        told(path, *(("removed", "-") if path in gone else (wanted[path].splitlines()[1],)))
    if due:
        yield install([File(path, wanted[path].encode()) for path in due])
    if gone:
        yield change(f"rm -f {shlex.join(gone)}", sudo=True)
    yield change(FLUSH, sudo=True)
