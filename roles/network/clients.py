"""Settings of the agent user's clients in the guest: ssh, kubectl, private CAs.

The home is the user's, and so is every folder in it: all is read and written as that user, since
root must not follow where a link of theirs leads.
"""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
from collections.abc import Generator, Mapping
from dataclasses import dataclass

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import StringCommand

from clawkeep.model import Keep
from clawkeep.render.clients import INCLUDE, OURS, SSH_CONFIG, client_files
from roles.network import hostkeys
from roles.network.gateway import ASK, NoGatewayError, gateway
from roles.probe import Answer, Probe, ask, change, want
from roles.told import told

MODE = "600"

# As whom, then a script without single quotes.
AS_USER = "sudo -u {user} -H sh -c '{script}'"

# A line that includes ours, and before any block, is as good as our own.
LOOK = r"""cd || exit 1
stat -f "%Lp|%N" @files; echo; echo @@
shasum -a 256 @files; echo; echo @@
awk "
{ word = tolower(\$1) }
word == \"host\" || word == \"match\" { exit }
word != \"include\" { next }
\$2 ~ /^(~\/[.]ssh\/)?config[.]d\/([*]|clawkeep)\$/ { print \"included\"; exit }
" .ssh/config; echo; echo @@
head -n 1 .ssh/config; true""".replace("@files", " ".join(OURS))


@dataclass(frozen=True)
class _Home:
    """What the user has of ours: modes and hashes by path, and whether ssh reads it."""

    gateway: str
    modes: Mapping[str, str]
    hashes: Mapping[str, str]
    included: bool
    first_line: str

    def lacks(self, path: str, text: str) -> bool:
        digest = hashlib.sha256(text.encode()).hexdigest()
        return self.modes.get(path) != MODE or self.hashes.get(path) != digest


def _home(answer: Answer) -> _Home:
    parts = [part.strip("\n") for part in answer.text.split("\n@@")]
    gateway_line, modes, hashes, included, first = (*parts, "", "", "", "", "")[:5]
    rows = (line.partition("|") for line in modes.splitlines())
    return _Home(
        gateway=gateway_line,
        modes={path: mode for mode, _, path in rows if path},
        hashes={line[66:]: line[:64] for line in hashes.splitlines() if len(line) > 66},
        included=included.strip() == "included",
        first_line=first,
    )


def _state(user: str) -> Probe[_Home]:
    script = f"{ASK}; echo; echo @@; {AS_USER.format(user=user, script=LOOK)}"
    return Probe(f"client settings of {user}", script, _home, sudo=True)


def settings(name: str, keep: Keep, cas: Mapping[str, str]) -> None:
    """Have the agent user's clients know the declared services; all else in their files stays.

    `cas` are PEM texts by the services' `ca` names.
    """
    want(_state(keep.guest.user))
    _settings(name=name, keep=keep, cas=dict(cas))


@operation()
def _settings(keep: Keep, cas: dict[str, str]) -> Generator[StringCommand, None, None]:
    home = ask(_state(keep.guest.user))
    try:
        address = gateway(home.gateway)
    except NoGatewayError as error:
        yield change('echo "$1" >&2; exit 1', str(error))
        return
    files = client_files(keep.services, address, hostkeys.of_guest(keep), cas)
    due = {path: text for path, text in files.items() if home.lacks(path, text)}
    gone = sorted(home.modes.keys() - files.keys())
    include = _include(home, wanted=SSH_CONFIG in files)
    if not due and not gone and not include:
        host.noop(f"{len(files)} files of client settings are as declared")
        return
    for path in (*due, *gone):
        file = f"~{keep.guest.user}/{path}"
        told(file, *(("removed", "-") if path in gone else ("as declared",)))
    if include:
        told(f"~{keep.guest.user}/.ssh/config", f"{include} {INCLUDE!r}")
    yield change(WRITE, keep.guest.user, INCLUDE, include, *gone, sudo=True, stdin=_archive(due))


def _include(home: _Home, *, wanted: bool) -> str:
    """Return what is to be done with our line in ~/.ssh/config: add, remove, or nothing."""
    if wanted:
        return "" if home.included else "add"
    return "remove" if home.first_line == INCLUDE else ""


# $1 user, $2 our line, $3 what to do with it, $4… what goes; the new files on stdin. A file that is
# a link to the user's own collection stays one; its bytes but for our line stay as they were.
WRITE = r"""exec sudo -u "$1" -H sh -c 'set -eu
cd; umask 077; shift
d=$(mktemp -d .clawkeep.XXXXXX); trap "rm -rf \"$d\"" EXIT
base64 -D | tar -xf - -C "$d"
(cd "$d"; find . -type f) | while IFS= read -r f; do
  mkdir -p "$(dirname "$f")"; mv -f "$d/$f" "$f"
done
line=$1 what=$2; shift 2
for f in "$@"; do rm -f "$f"; done
[ -n "$what" ] || exit 0
f=.ssh/config; [ ! -L "$f" ] || f=$(readlink -f "$f")
n="$f.clawkeep~"; rm -f "$n"
case $what in
  add) { printf "%s\n" "$line"; [ ! -f "$f" ] || cat "$f"; } > "$n" ;;
  remove) tail -n +2 "$f" > "$n" ;;
esac
[ ! -f "$f" ] || chmod "$(stat -f %Lp "$f")" "$n"
if [ -s "$n" ]; then mv -f "$n" "$f"; else rm -f "$n" "$f"; fi
' clawkeep "$@"
"""


def _archive(files: Mapping[str, str]) -> str:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, text in files.items():
            data = text.encode()
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(data), 0o600
            archive.addfile(member, io.BytesIO(data))
    return base64.encodebytes(buffer.getvalue()).decode()
