"""Large files that the host has and a skill needs: copied by their hash, whole or not at all.

They go through the run's own connections, so a guest without any egress gets them, too.
"""

from __future__ import annotations

import contextlib
import hashlib
import shlex
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

from paramiko import SSHException, Transport
from pyinfra import host, logger
from pyinfra.api import operation
from pyinfra.api.command import FunctionCommand, StringCommand
from pyinfra.api.host import Host
from pyinfra.api.state import State

from clawkeep.cache.wants import Plan
from clawkeep.skills.skill import MODELS, Model
from clawkeep.skills.wanted import Wanted
from connectors.tart import TartConnector
from roles import cache
from roles.probe import Answer, Probe, ask, change, forget, want
from roles.told import told

PIECE = 1 << 20


def models(skills: Sequence[Wanted]) -> list[Model]:
    """Return the models of all skills."""
    return list(dict.fromkeys(model for skill in skills for model in skill.wants.models))


def _there(answer: Answer) -> frozenset[str]:
    return frozenset(answer.text.split())


#: Names of the models that are there; a file gets its name when its hash was right.
THERE = Probe("models of skills", f"ls {MODELS}", _there)


def copied(name: str, models: Sequence[Model], stock: Plan | None = None) -> None:
    """Have the models in the guest; with a `stock`, from the host's cache."""
    want(THERE)
    _copied(name=name, models=list(models), stock=stock)


@operation()
def _copied(
    models: list[Model], stock: Plan | None
) -> Generator[FunctionCommand | StringCommand, None, None]:
    there = ask(THERE)
    due = [model for model in models if model.sha256 not in there]
    if not due:
        host.noop(f"{len(models)} models are there")
        return
    if stock:
        for model in due:
            told(model.source, "from the cache", "+")
        found = cache.items(cache.keys(stock, "model", [model.source for model in due]))
        yield change(FROM_CACHE, MODELS, stdin=cache.listed(found))
        return
    for model in due:
        told(model.source, "copied from the host", "+")
    for model in due:
        yield FunctionCommand(_copy, [model.source, model.sha256], {})


# $1 the models' folder.
FROM_CACHE = f"""d=$1.cached
{cache.STAGE}
umask 022; mkdir -p "$1"
for n in "$d"/models/*; do chmod 644 "$n"; mv -f "$n" "$1/"; done
"""

# $1 path, $2 SHA-256; the content on stdin.
PLACE = r"""set -eu
umask 022; mkdir -p "$(dirname "$1")"; n="$1.new"; rm -f "$n"; cat > "$n"
if [ "$(shasum -a 256 "$n" | cut -c 1-64)" != "$2" ]; then
  rm -f "$n"; echo "what came is not what was declared" >&2; exit 1
fi
mv -f "$n" "$1"
"""


def _copy(
    state: State,  # noqa: ARG001 - pyinfra's signature
    host: Host,
    source: str,
    sha256: str,
) -> bool:
    """Stream one model from the host into the guest; say in words why not."""
    connector = host.connector
    if not isinstance(connector, TartConnector):
        raise TypeError("models are copied into guests")
    forget()
    try:
        problem = _stream(connector, Model(source, sha256))
    except (OSError, EOFError, SSHException) as error:
        problem = f"{error!r}"
    if problem:
        logger.error(f"{host.print_prefix}{source}: {problem}")
    return not problem


def _stream(connector: TartConnector, model: Model) -> str:
    """Return what went wrong, or nothing."""
    digest, size = hashlib.sha256(), 0
    channel = connector.transport().open_session(timeout=30)
    with contextlib.closing(channel):
        channel.exec_command(shlex.join(["sh", "-c", PLACE, "sh", model.path, model.sha256]))
        for piece in _pieces(connector.on_host.transport(), model.source):
            digest.update(piece)
            size += len(piece)
            channel.sendall(piece)
        if not size:
            return "the host has no such file, or an empty one"
        channel.shutdown_write()
        words = channel.makefile_stderr("rb").read(500).decode(errors="replace").strip()
        status = channel.recv_exit_status()
    if digest.hexdigest() != model.sha256:
        return f"has the SHA-256 {digest.hexdigest()} on the host, expected {model.sha256}"
    return "" if status == 0 else f"the guest did not take it: {words}"


def _pieces(transport: Transport | None, source: str) -> Iterator[bytes]:
    """Yield a file of the host."""
    if transport is None:
        with Path(source).expanduser().open("rb") as file:
            while piece := file.read(PIECE):
                yield piece
        return
    below = source.removeprefix("~/")
    path = f'"$HOME"/{shlex.quote(below)}' if below != source else shlex.quote(source)
    with contextlib.closing(transport.open_session(timeout=30)) as channel:
        channel.exec_command(f"cat {path}")
        while piece := channel.recv(PIECE):
            yield piece
