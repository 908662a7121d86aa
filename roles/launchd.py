"""launchd jobs: installed, loaded with what is installed, and gone when no longer declared.

pyinfra's own operation knows only the legacy verbs, which exit 0 on failure, and `bootout`
returns while the job still drains, so that an immediate `bootstrap` fails with 5
(reference/macos.md §4.2). What was loaded last is remembered beside the job as a hash: a run that
is killed between writing a plist and loading it is finished by the next one.
"""

from __future__ import annotations

import hashlib
import plistlib
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import StringCommand

from roles.bundle import File, Found, differences, look, q
from roles.differing import diffs
from roles.probe import Answer, Probe, ask, change, want
from roles.told import planning, told

#: Hashes of what each job was loaded with; root's.
LOADED = "/opt/clawkeep/loaded"


@dataclass(frozen=True)
class Domain:
    """A launchd domain and the folder whose plists belong to it."""

    target: str
    folder: str
    owner: str = "root"
    group: str = "wheel"


SYSTEM = Domain("system", "/Library/LaunchDaemons")


def gui(uid: int, user: str, home: str) -> Domain:
    """Return the domain of a user's GUI session: it exists only while that user is logged in."""
    return Domain(f"gui/{uid}", f"{home}/Library/LaunchAgents", owner=user, group="staff")


@dataclass(frozen=True)
class _Loaded:
    running: bool
    pid: int | None
    mark: str


def state(domain: Domain, label: str) -> Probe[_Loaded]:
    """Return the probe that tells whether `label` is loaded, and with what.

    `print` is not an interface; only its exit status and `pid =` are used, leniently.
    """
    target = q(f"{domain.target}/{label}")
    script = f"cat {q(f'{LOADED}/{label}')} 2>/dev/null; echo; launchctl print {target}"
    return Probe(f"job {domain.target}/{label}", script, _loaded, sudo=True)


def _loaded(answer: Answer) -> _Loaded:
    mark, _, text = answer.text.partition("\n")
    pids = [line.split("=")[1] for line in text.splitlines() if line.strip().startswith("pid =")]
    pid = int(pids[0]) if pids and pids[0].strip().isdigit() else None
    return _Loaded(running=answer.status == 0 and answer.asked, pid=pid, mark=mark.strip())


def job(
    name: str,
    domain: Domain,
    plist: Mapping[str, object] | bytes,
    needs: Sequence[bytes] = (),
) -> None:
    """Have a job loaded with exactly this plist.

    `needs` are contents that the program reads only at its start: when one changes, the job is
    loaded anew.
    """
    data = plist if isinstance(plist, bytes) else plistlib.dumps(dict(plist))
    file = _file(domain, data)
    want(look([file.path]))
    want(state(domain, _label(data)))
    _job(name=name, domain=domain, plist=data, needs=list(needs))


@operation()
def _job(domain: Domain, plist: bytes, needs: list[bytes]) -> Generator[StringCommand, None, None]:
    yield from converge(domain, plist, needs)


def converge(
    domain: Domain,
    plist: bytes,
    needs: Sequence[bytes] = (),
    files: Probe[Found] | None = None,
) -> Generator[StringCommand, None, None]:
    """Yield what loads the job as declared: for operations whose plist depends on live facts.

    `files` is a probe that looks at the plist among others: one for all jobs of a kind is cheaper.
    """
    label = _label(plist)
    file = _file(domain, plist)
    mark = hashlib.sha256(b"\0".join([plist, *needs])).hexdigest()
    why = differences(file, ask(files or look([file.path])))
    loaded = ask(state(domain, label))
    if why is None and loaded.running and loaded.mark == mark:
        host.noop(f"{label} is loaded as declared")
        return
    shown = diffs({file.path: plist}) if planning() and why and "content" in why else {}
    told(
        label,
        why or ("not loaded" if not loaded.running else "to be reloaded"),
        "~" if loaded.running else "+",
        shown.get(file.path, ""),
    )
    yield change(
        LOAD, domain.target, label, file.path, mark, domain.owner, domain.group, LOADED,
        sudo=True, stdin=plist.decode(), everywhere=True,
    )  # fmt: skip


# $1 domain, $2 label, $3 plist, $4 mark, $5 owner, $6 group, $7 folder of marks; plist on stdin.
LOAD = r"""set -eu
p=$(dirname "$3")
[ -d "$p" ] || { mkdir -p "$p"; chown "$5:$6" "$p"; }
n="$p/.$(basename "$3").clawkeep~"
rm -f "$n"; (umask 077; cat > "$n")
chown "$5:$6" "$n"; chmod 644 "$n"
plutil -lint -s "$n" >&2
mkdir -p "$7"; rm -f "$7/$2"
mv -f "$n" "$3"
launchctl enable "$1/$2"
if launchctl print "$1/$2" >/dev/null 2>&1; then
  launchctl bootout "$1/$2" >/dev/null 2>&1 || true
  i=0
  while launchctl print "$1/$2" >/dev/null 2>&1; do
    i=$((i+1)); [ $i -lt 2000 ] || { echo "$2 is still draining after 200 s" >&2; exit 1; }
    sleep 0.1
  done
fi
i=0
until m=$(launchctl bootstrap "$1" "$3" 2>&1); do
  i=$((i+1)); [ $i -lt 6 ] || { echo "launchctl bootstrap $1 $3: $m" >&2; exit 1; }
  sleep 1
done
printf '%s\n' "$4" > "$7/$2"
"""


def absent(name: str, domain: Domain, prefix: str, keep: Sequence[str] = ()) -> None:
    """Have no job whose label starts with `prefix`, except those in `keep`."""
    want(_declared(domain, prefix))
    _absent(name=name, domain=domain, prefix=prefix, keep=list(keep))


@operation()
def _absent(domain: Domain, prefix: str, keep: list[str]) -> Generator[StringCommand, None, None]:
    gone = sorted(ask(_declared(domain, prefix)) - set(keep))
    if not gone:
        host.noop(f"no other {prefix}*")
    for label in gone:
        told(label, "no longer declared", "-")
        yield change(
            UNLOAD, domain.target, label, f"{domain.folder}/{label}.plist", f"{LOADED}/{label}",
            sudo=True, everywhere=True,
        )  # fmt: skip


# The plist goes last: a run killed in the middle finds it again and finishes.
UNLOAD = r"""set -eu
launchctl bootout "$1/$2" >/dev/null 2>&1 || true
i=0
while launchctl print "$1/$2" >/dev/null 2>&1; do
  i=$((i+1)); [ $i -lt 600 ] || { echo "$2 is still draining after 60 s" >&2; exit 1; }
  sleep 0.1
done
rm -f "$4" "$3"
"""


def _declared(domain: Domain, prefix: str) -> Probe[set[str]]:
    # Also what is loaded though its plist is gone; as root, `list` shows the system domain.
    loaded = "; launchctl list | sed 's/.*[[:space:]]//'" if domain.target == "system" else ""
    begin = prefix.replace(".", "[.]")
    script = (
        f"{{ ls {q(domain.folder)} {q(LOADED)}{loaded}; }} | grep '^{begin}' "
        "| sed 's/[.]plist$//' | sort -u"
    )
    return Probe(
        f"jobs {domain.target} {prefix}",
        script,
        lambda answer: set(answer.text.split()),
        sudo=True,
    )


def _label(plist: bytes) -> str:
    return str(plistlib.loads(plist)["Label"])


def _file(domain: Domain, plist: bytes) -> File:
    path = f"{domain.folder}/{_label(plist)}.plist"
    return File(path, plist, owner=domain.owner, group=domain.group)
