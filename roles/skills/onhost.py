"""The half of a skill that runs on the host: a verb of Clawkeep's, as a user that owns nothing.

Its model is root's copy, taken in by its hash; its program is Homebrew's, so root never runs it.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import StringCommand

from clawkeep.render.plist import host_service_daemon
from clawkeep.skills.skill import HOST_MODELS, HostService, Model
from roles import homebrew, launchd
from roles.base import runtime
from roles.network.bridges import daemon_user
from roles.probe import Answer, Probe, ask, change, want
from roles.told import told

PREFIX = "com.nanoclaw.host."


def _models(answer: Answer) -> dict[str, str]:
    """Read lines `MODE OWNER PATH`."""
    rows = [line.split(" ", 2) for line in answer.text.splitlines()]
    return {row[2].rpartition("/")[2]: f"{row[0]} {row[1]}" for row in rows if len(row) == 3}


MODELS = Probe(
    "models on the host",
    f"stat -f '%Lp %Su %N' {HOST_MODELS}/* 2>/dev/null",
    _models,
    sudo=True,
)


def gone(name: str, services: Sequence[HostService]) -> None:
    """Have no service of a skill running that is not among these, and no model but theirs."""
    keep = [f"{PREFIX}{service.verb}" for service in services]
    launchd.absent(name=name, domain=launchd.SYSTEM, prefix=PREFIX, keep=keep)
    want(MODELS)
    _models_gone(name=f"{name}: models", keep=[service.model.sha256 for service in services])


@operation()
def _models_gone(keep: list[str]) -> Generator[StringCommand, None, None]:
    left = sorted(ask(MODELS).keys() - set(keep))
    if not left:
        host.noop("no other models")
        return
    yield change('cd "$1" && shift && rm -f -- "$@"', HOST_MODELS, *left, sudo=True)


def running(name: str, service: HostService) -> None:
    """Have the service's user, its formulas, its model, and its job."""
    log = f"/var/log/{PREFIX}{service.verb}.log"
    daemon_user(name=f"{name}: user {service.user}", user=service.user)
    homebrew.formulas(name=f"{name}: packages", names=list(service.formulas))
    want(MODELS)
    _model(name=f"{name}: model", model=service.model)
    want(_log_probe(log, service.user))
    _log(name=f"{name}: log", path=log, user=service.user)
    launchd.job(
        name=name,
        domain=launchd.SYSTEM,
        plist=host_service_daemon(
            PREFIX + service.verb,
            [service.verb, service.model.path_on_host],
            user=service.user,
            log=log,
        ),
        needs=runtime.contents(runtime.program()),
    )


def _log_probe(path: str, user: str) -> Probe[bool]:
    return Probe(
        f"log {path}",
        f'[ "$(stat -f "%HT %Lp %Su" {path})" = "Regular File 640 {user}" ]',
        lambda answer: answer.asked and answer.status == 0,
        sudo=True,
    )


@operation()
def _log(path: str, user: str) -> Generator[StringCommand, None, None]:
    """Have a log that is the user's, in a folder that is root's.

    Whoever of root and the user launchd opens it as: it can, and no link leads it elsewhere.
    """
    if ask(_log_probe(path, user)):
        host.noop("the log is there")
        return
    yield change(
        'set -eu; umask 027; rm -rf "$1.new"; : > "$1.new"; chown "$2:wheel" "$1.new"; '
        'rm -rf "$1"; mv "$1.new" "$1"', path, user, sudo=True,
    )  # fmt: skip


@operation()
def _model(model: Model) -> Generator[StringCommand, None, None]:
    if ask(MODELS).get(model.sha256) == "644 root":
        host.noop("the model is root's own copy")
        return
    told(model.source, "copied", "+")
    yield change(PLACE, model.source, model.path_on_host, model.sha256)


# $1 path, perhaps below ~, $2 the copy, $3 its SHA-256. The user reads, and root takes in what has
# the right hash: a file gets its name only then.
PLACE = r"""set -eu
case $1 in '~/'*) f=$HOME/${1#'~/'} ;; *) f=$1 ;; esac
[ -f "$f" ] && [ -r "$f" ] || { echo "$1: the host has no such file" >&2; exit 1; }
sudo -n sh -c '
  set -eu
  umask 022; mkdir -p "$(dirname "$1")"; n="$1.new"; rm -f "$n"; cat > "$n"
  h=$(shasum -a 256 "$n" | cut -c 1-64)
  if [ "$h" != "$2" ]; then
    rm -f "$n"; echo "$3 has the SHA-256 $h on the host, expected $2" >&2; exit 1
  fi
  mv -f "$n" "$1"
' clawkeep "$2" "$3" "$1" < "$f"
"""
