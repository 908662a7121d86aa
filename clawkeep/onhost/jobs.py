"""launchd's system jobs, from the host itself: loaded, loaded anew, gone.

The on-host twin of roles/launchd.py, with the same habits (`enable` first; `bootout` returns while
the job still drains, so that an immediate `bootstrap` fails with 5) and the same marks: a job that
one of them has loaded counts as loaded for the other. Which of them loads a job is settled by its
label, and here it is done with the host's lock held: a job that one unloads and another loads at
the same time can end up loaded by none. Source: reference/macos.md §4.2.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from stat import S_IMODE

from clawkeep.onhost import paths, store
from clawkeep.onhost.world import run

LAUNCHCTL = "/bin/launchctl"
FOLDER = Path("/Library/LaunchDaemons")

#: Hashes of what each job was loaded with, as roles/launchd.py writes them.
MARKS = paths.ROOT / "loaded"

#: Seconds a job may take to end; ExitTimeOut is 20 s by default.
DRAIN_S = 60
BOOTSTRAP_TRIES = 6
AT_ONCE = 8


def plist_path(label: str) -> Path:
    """Return where the property list of a job lies."""
    return FOLDER / f"{label}.plist"


def mark(plist: bytes) -> str:
    """Return the mark of a job that was loaded with `plist`."""
    return hashlib.sha256(plist).hexdigest()


def current(label: str, plist: bytes) -> bool:
    """Tell whether this very plist is in place and was the last one loaded; starts no program."""
    try:
        written = plist_path(label).read_bytes()
        loaded_with = (MARKS / label).read_text().strip()
        return written == plist and loaded_with == mark(plist) and _own(plist_path(label))
    except OSError:
        return False


def _own(path: Path) -> bool:
    """Tell whether a plist has root's owner, group and mode: launchd takes no other."""
    facts = path.stat()
    group = 0 if os.geteuid() == 0 else facts.st_gid
    return (facts.st_uid, facts.st_gid, S_IMODE(facts.st_mode)) == (os.geteuid(), group, 0o644)


def forget_unloaded(prefix: str) -> None:
    """Have no mark for a job that launchd does not have: the next look loads it anew.

    Raises OSError, RuntimeError.
    """
    for label in on_disk(prefix) - listed(prefix).keys():
        (MARKS / label).unlink(missing_ok=True)


def on_disk(prefix: str) -> set[str]:
    """Return the labels beginning with `prefix` that have a plist or a mark; starts no program."""
    found = {path.stem for path in FOLDER.glob(f"{prefix}*.plist")}
    return found | {path.name for path in MARKS.glob(f"{prefix}*")}


def listed(prefix: str) -> dict[str, int | None]:
    """Return the loaded jobs whose label begins with `prefix`, and their pids.

    Raises OSError, RuntimeError.
    """
    done = run([LAUNCHCTL, "list"])
    if done.returncode != 0:
        raise RuntimeError(f"launchctl list: {_words(done)}")
    found = {}
    for row in done.stdout.splitlines():
        columns = row.split()
        if len(columns) == 3 and columns[2].startswith(prefix):
            found[columns[2]] = int(columns[0]) if columns[0].isdigit() else None
    return found


def loaded(label: str) -> bool:
    """Tell whether launchd knows the job; also one that still drains. Raises OSError."""
    return run([LAUNCHCTL, "print", f"system/{label}"]).returncode == 0


def pid(label: str) -> int | None:
    """Return the job's process, None when it has none. Raises OSError."""
    # `print` is no interface: only this line is read, leniently.
    found = re.search(r"^\s*pid = (\d+)", run([LAUNCHCTL, "print", f"system/{label}"]).stdout, re.M)
    return int(found[1]) if found else None


def load(label: str, plist: bytes) -> bool:
    """Have the job loaded with `plist`; return whether anything was done.

    Raises OSError, RuntimeError with launchctl's words.
    """
    if current(label, plist) and loaded(label):
        return False
    # Without the mark, a run that is killed from here on is finished by the next one.
    (MARKS / label).unlink(missing_ok=True)
    store.write(plist_path(label), plist.decode())
    run([LAUNCHCTL, "enable", f"system/{label}"])
    _bootout(label)
    for left in reversed(range(BOOTSTRAP_TRIES)):
        done = run([LAUNCHCTL, "bootstrap", "system", str(plist_path(label))])
        if done.returncode == 0:
            break
        if not left:
            raise RuntimeError(f"launchctl bootstrap {label}: {_words(done)}")
        time.sleep(1)
    store.write(MARKS / label, mark(plist) + "\n")
    return True


def unload(label: str) -> None:
    """Have neither the job nor its files; returns when its process is gone.

    The plist goes last: whoever is killed in the middle finds it again. Raises OSError,
    RuntimeError.
    """
    _bootout(label)
    (MARKS / label).unlink(missing_ok=True)
    plist_path(label).unlink(missing_ok=True)


def restart(labels: Iterable[str]) -> None:
    """Kill and start jobs, all at once. A job that is not loaded is an error.

    Raises OSError, RuntimeError with launchctl's words, TimeoutExpired.
    """

    def kickstart(label: str) -> str:
        done = run([LAUNCHCTL, "kickstart", "-k", f"system/{label}"])
        return "" if done.returncode == 0 else f"launchctl kickstart {label}: {_words(done)}"

    with ThreadPoolExecutor(AT_ONCE) as pool:
        failed = [words for words in pool.map(kickstart, labels) if words]
    if failed:
        raise RuntimeError("; ".join(failed))


def _bootout(label: str) -> None:
    """Have the job unloaded; returns when its process is gone."""
    run([LAUNCHCTL, "bootout", f"system/{label}"])
    deadline = time.monotonic() + DRAIN_S
    while loaded(label):
        if time.monotonic() > deadline:
            raise RuntimeError(f"{label} is still draining after {DRAIN_S} s")
        time.sleep(0.05)


def _words(done: subprocess.CompletedProcess[str]) -> str:
    return (done.stderr or done.stdout).strip() or f"exit status {done.returncode}"
