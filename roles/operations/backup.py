"""What backups need on the host: `cryptography`, which root runs, and the keys.

pip runs as the user, with the settings that this user has: it knows which index to ask. Root takes
of what it brought only wheels whose hashes stand in our own lock, looks at its own copies, and
unpacks them: nothing of them is run before that.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Generator, Mapping
from pathlib import Path

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import StringCommand
from pyinfra.api.exceptions import PyinfraError

from clawkeep.backup import keys
from clawkeep.backup.errors import BackupError
from clawkeep.secrets import Secret
from roles.agent.secrets import SecretFile
from roles.base.runtime import PYTHON, ROOT
from roles.probe import Answer, Probe, ask, change, want

PLAN = f"{ROOT}/etc/backup.json"
VENDOR = f"{ROOT}/vendor"
LOCK = Path(__file__).resolve().parents[2] / "requirements.lock"
PACKAGES = ("cffi", "cryptography", "pycparser")


def locked(text: str) -> str:
    """Return the lines of a lock about `PACKAGES`: what pip is to bring, with its hashes."""
    found = [
        match[0]
        for match in re.finditer(r"^[a-z0-9-]+==.*\\\n(?:[ ]+--hash=.*\n?)+", text, re.MULTILINE)
        if match[0].partition("==")[0] in PACKAGES
    ]
    if len(found) != len(PACKAGES):
        raise PyinfraError(f"{LOCK}: expected {', '.join(PACKAGES)}")
    return "".join(block.rstrip("\n") + "\n" for block in found)


def _installed(digest: str) -> Probe[bool]:
    def meaning(answer: Answer) -> bool:
        return answer.asked and answer.status == 0 and answer.text.strip() == digest

    look = (
        f"import sys; sys.path.insert(0, '{VENDOR}'); "
        "from cryptography.hazmat.primitives.ciphers.aead import AESGCM"
    )
    return Probe("backup libraries", f'{PYTHON} -I -c "{look}" && cat {VENDOR}/.lock', meaning)


def libraries(name: str, lock: str) -> None:
    """Have `cryptography` beside the host's program, as `lock`, the text of our lock, has it."""
    lines = locked(lock)
    want(_installed(_digest(lines)))
    _libraries(name=name, lines=lines)


def _digest(lines: str) -> str:
    return hashlib.sha256(lines.encode()).hexdigest()


@operation()
def _libraries(lines: str) -> Generator[StringCommand, None, None]:
    digest = _digest(lines)
    if ask(_installed(digest)):
        host.noop("cryptography is as our lock has it")
        return
    yield change(INSTALL, PYTHON, ROOT, digest, stdin=lines)


# $1 python, $2 /opt/clawkeep, $3 the lock's hash; its lines on stdin.
INSTALL = r"""set -eu
d=$(mktemp -d "${TMPDIR:-/tmp}/clawkeep-wheels.XXXXXX"); trap 'rm -rf "$d"' EXIT
cat > "$d/lock"; mkdir "$d/wheels"
"$1" -I -m pip download --quiet --disable-pip-version-check --only-binary=:all: --no-deps \
  --require-hashes --requirement "$d/lock" --dest "$d/wheels" >&2
hashes=$(sed -n 's/.*--hash=sha256:\([0-9a-f]*\).*/\1/p' "$d/lock")
sudo -n sh -c '
  set -eu
  rm -rf "$2"/.vendor.*; n=$(mktemp -d "$2/.vendor.XXXXXX"); mkdir "$n/wheels"
  cp "$4"/*.whl "$n/wheels"
  for w in "$n"/wheels/*.whl; do
    h=$(shasum -a 256 "$w" | cut -c 1-64)
    case " $(echo $5) " in *" $h "*) ;; *)
      rm -rf "$n"; echo "pip brought $(basename "$w"), whose hash our lock does not have" >&2
      exit 1 ;;
    esac
    "$1" -I -m zipfile -e "$w" "$n"
  done
  rm -rf "$n/wheels"
  chown -R root:wheel "$n"; chmod -R go-w,a+rX "$n"
  "$1" -I -c "import sys; sys.path.insert(0, sys.argv[1])
from cryptography.hazmat.primitives.ciphers.aead import AESGCM" "$n"
  printf "%s\n" "$3" > "$n/.lock"
  rm -rf "$2/vendor"; mv "$n" "$2/vendor"
' clawkeep "$1" "$2" "$3" "$d/wheels" "$hashes"
"""


def key_files(values: Mapping[str, Secret]) -> list[SecretFile]:
    """Return root's files of the keys; one that cannot be a key ends the run before any change.

    Raises PyinfraError, which never shows a value.
    """
    try:
        key = keys.checked(values["backup key"].reveal())
    except BackupError as error:
        raise PyinfraError(f"backup.key: {error}") from None
    ssh = values.get("SSH key")
    text = None if ssh is None else ssh.reveal().strip() + "\n"
    if text is not None and not text.startswith("-----BEGIN"):
        raise PyinfraError("backup.server.key: is no private key of SSH, as ssh-keygen writes it")
    return [
        SecretFile(f"{ROOT}/etc/backup.key", Secret(key + "\n")),
        SecretFile(f"{ROOT}/etc/backup.ssh", None if text is None else Secret(text)),
    ]


THERE: Probe[bool] = Probe(
    "plan of backups",
    f"[ -e {PLAN} ] || [ -e {ROOT}/etc/backup.key ]",
    lambda answer: answer.asked and answer.status == 0,
    sudo=True,
)


def undeclared(name: str) -> None:
    """Have no plan and no keys of backups; the backups themselves are nobody's to remove."""
    want(THERE)
    _undeclared(name=name)


@operation()
def _undeclared() -> Generator[StringCommand, None, None]:
    if not ask(THERE):
        host.noop("there is none")
        return
    host.log("    the plan and the keys go; the backups stay where they are")
    yield change(f"rm -f {PLAN} {ROOT}/etc/backup.key {ROOT}/etc/backup.ssh", sudo=True)
