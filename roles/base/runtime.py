"""What root owns on the host: a Python, Clawkeep's own program, and a copy of softnet.

Root and launchd run nothing that a user can replace, and everything below /opt/homebrew can be
replaced by whoever owns it (reference/macos.md §3). So the interpreter is a standalone build laid
down by root, and softnet, which must be SUID, is root's copy: it also survives `brew upgrade`,
which silently drops the bit (reference/tart.md §2.4).
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import StringCommand

import clawkeep
from clawkeep.onhost import MODULES
from roles.bundle import Directory, File
from roles.probe import Answer, Probe, ask, change, want

ROOT = "/opt/clawkeep"
LIBEXEC = f"{ROOT}/libexec"
PYTHON = f"{ROOT}/python/bin/python3"

#: The series of the host's Python; uv installs its newest build.
PYTHON_SERIES = "3.12"

FOLDERS = ("", "/bin", "/etc", "/var", "/lib", "/lib/clawkeep", "/libexec")

ENTRY = f"""#!{PYTHON} -I
# The verbs that launchd runs on this host. Written by clawkeep.
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, "{ROOT}/lib")

from clawkeep.onhost import main

sys.exit(main(sys.argv[1:]))
"""

HAVE_PYTHON = Probe(
    "host python",
    f'{PYTHON} -I -c "import ssl, sqlite3" && [ "$(stat -L -f %u {PYTHON})" = 0 ]',
    lambda answer: answer.asked and answer.status == 0,
)


def program() -> list[File | Directory]:
    """Return Clawkeep's own files on the host: the verbs that launchd and root run."""
    source = Path(clawkeep.__file__).parent
    files = [file for module in MODULES for file in sources(source, module)]
    folders = sorted({f"/lib/clawkeep/{f.parent}" for f in files if f.parent != Path()})
    return [
        *(Directory(f"{ROOT}{folder}") for folder in (*FOLDERS, *folders)),
        File(f"{ROOT}/bin/clawkeep", ENTRY.encode(), mode="755"),
        *(File(f"{ROOT}/lib/clawkeep/{file}", (source / file).read_bytes()) for file in files),
    ]


def sources(package: Path, module: str) -> list[Path]:
    """Return the files of one entry of MODULES, relative to the package: a module, or a folder."""
    if not module.endswith("/"):
        return [Path(f"{module}.py")]
    return sorted(path.relative_to(package) for path in (package / module).rglob("*.py"))


def contents(entries: list[File | Directory]) -> list[bytes]:
    """Return the contents of the files: a program that runs must start anew when one changes."""
    return [entry.content for entry in entries if isinstance(entry, File)]


def python(name: str) -> None:
    """Have a Python at /opt/clawkeep/python that only root can change."""
    want(HAVE_PYTHON)
    _python(name=name)


@operation()
def _python() -> Generator[StringCommand, None, None]:
    if ask(HAVE_PYTHON):
        host.noop("the host's Python is in place")
        return
    # uv runs as the user; root only copies what it brought.
    yield change(INSTALL_PYTHON, PYTHON_SERIES, ROOT)


# Root runs nothing of the copy before it is known to be only root's: it was laid down by a user. A
# build that runs anywhere needs no link out of its tree, by which that user could still change what
# root runs; and under the name that the copy has while it is looked at, no link can know its way.
INSTALL_PYTHON = r"""set -eu
d=$(mktemp -d "${TMPDIR:-/tmp}/clawkeep-python.XXXXXX"); trap 'rm -rf "$d"' EXIT
/opt/homebrew/bin/uv python install --quiet --no-bin --install-dir "$d" "$1" >&2
p=$(ls -d "$d"/cpython-"$1"*/bin/python3 | tail -n 1)
[ -x "$p" ] || { echo "uv brought no Python $1" >&2; exit 1; }
b=$(dirname "$(dirname "$p")")
sudo -n sh -c '
  set -eu
  mkdir -p "$2"; chown root:wheel "$2"; chmod 755 "$2"
  rm -rf "$2"/.python.*; n=$(mktemp -d "$2/.python.XXXXXX"); cp -R "$1/." "$n"
  chown -R root:wheel "$n"; chmod 755 "$n"; chmod -R go-w,ug-s "$n"
  n=$(cd "$n" && pwd -P)
  bad=$(find "$n" ! -type f ! -type d ! -type l
    find "$n" ! -type l \( ! -user root -o -perm -020 -o -perm -002 \)
    find "$n" -type l -exec sh -c '\''
      n=$1; shift
      for l; do
        t=$(readlink "$l")
        case $t in
          /*) echo "$l -> $t"; continue ;;
          .. | */..) t=$t/. ;;
        esac
        f=$(cd "$(dirname "$l")" && cd "$(dirname "$t")" 2>/dev/null && pwd -P) || f=
        case $f/ in "$n"/*) ;; *) echo "$l -> $t" ;; esac
      done
    '\'' sh "$n" {} +)
  if [ -n "$bad" ]; then
    rm -rf "$n"
    echo "uv brought a Python that is not for root to run; outside its tree, or not only root may" \
      "change it:" >&2
    echo "$bad" | head -n 5 >&2
    exit 1
  fi
  "$n/bin/python3" -I -c "import ssl, sqlite3"
  rm -rf "$2/python"; mv "$n" "$2/python"
' clawkeep "$b" "$2"
"""


def softnet(name: str) -> None:
    """Have root's SUID copy of the installed softnet, which administrators alone may run.

    softnet and tart look at its owner and the SUID bit, not at who else may run it; `tart run` is
    the operator's, whom Homebrew itself wants to be an administrator. The bridges' user, and
    whatever else runs on the host, gets no root by it. Source: reference/tart.md §2.4.
    """
    want(SOFTNET)
    _softnet(name=name)


def _same(answer: Answer) -> bool:
    lines = answer.text.splitlines()
    return len(lines) == 3 and lines[0] == lines[1] and lines[2] == "4750 root admin"


# Equal content, and the copy is SUID root for administrators: both hashes, then mode and owner.
SOFTNET = Probe(
    "softnet",
    f"shasum -a 256 /opt/homebrew/bin/softnet {LIBEXEC}/softnet | cut -c 1-64; "
    f"stat -f '%Mp%Lp %Su %Sg' {LIBEXEC}/softnet",
    _same,
)


@operation()
def _softnet() -> Generator[StringCommand, None, None]:
    if ask(SOFTNET):
        host.noop("softnet is root's own copy")
        return
    yield change(
        f"set -eu; mkdir -p {LIBEXEC}; cp /opt/homebrew/bin/softnet {LIBEXEC}/.softnet.new; "
        f"chown root:admin {LIBEXEC}/.softnet.new; chmod 4750 {LIBEXEC}/.softnet.new; "
        f"mv -f {LIBEXEC}/.softnet.new {LIBEXEC}/softnet",
        sudo=True,
    )
