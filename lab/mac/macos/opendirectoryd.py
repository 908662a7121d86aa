"""opendirectoryd: what makes a new account survive, or not.

At boot it reads the node from disk; at an orderly end (SIGTERM: a shutdown, `killall
opendirectoryd`) it writes it back. A VM that is powered off in between comes up without the
records made since, as webcoyote/clodpod found in Tart VMs. Source: reference/macos.md §5 ("flush
before stop/clone").
"""

import ctypes
import os
import signal
import sys
import time
from types import FrameType

from . import directory, paths

CLEAN = "/private/var/db/dslocal/disk/clean"
TEMPORARY_FOLDERS = "/private/var/folders/zz"
PR_SET_NAME = 15


def boot_id() -> str:
    """Tell this boot from others: when process 1 started, in clock ticks of the machine."""
    with open("/proc/1/stat", encoding="ascii") as file:
        return file.read().rpartition(")")[2].split()[19]


def start(boot: str) -> str:
    """Bring memory in line with the disk; return what was done: kept, restored or seeded.

    After a clean end in the same boot the live files are newer (somebody may have edited while the
    daemon was restarting), so they stay. Otherwise the disk wins; the first start ever seeds it.
    """
    clean = paths.at(CLEAN)
    ended_cleanly = clean.exists() and clean.read_text(encoding="ascii") == boot
    clean.unlink(missing_ok=True)
    if ended_cleanly:
        return "kept"
    if directory.restore():
        return "restored"
    directory.flush()
    return "seeded"


def finish(boot: str) -> None:
    """Write memory to disk and note that this boot's end was clean."""
    directory.flush()
    paths.at(CLEAN).write_text(boot, encoding="ascii")


def make_temporary_folders() -> None:
    """Give every user what confstr(_CS_DARWIN_USER_TEMP_DIR) names (dirhelper's work)."""
    for user in directory.load().users.values():
        uid = user.first("UniqueID")
        if not uid.isdigit() or (0 < int(uid) < 500):
            continue
        folder = paths.at(f"{TEMPORARY_FOLDERS}/u{uid}")
        if (folder / "T").exists():
            continue
        for path in (folder, folder / "T", folder / "C"):
            path.mkdir(parents=True, exist_ok=True)
            os.chown(path, int(uid), int(user.first("PrimaryGroupID", "20")))
            path.chmod(0o700)


def main(argv: list[str]) -> int:
    """Run until SIGTERM."""
    ctypes.CDLL(None).prctl(PR_SET_NAME, b"opendirectoryd", 0, 0, 0)
    boot = boot_id()

    def end(_signal: int, _frame: FrameType | None) -> None:
        finish(boot)
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)
    outcome = start(boot)
    make_temporary_folders()
    # Users mark their login keychain as unlocked in here; a Mac's securityd would do it for them.
    paths.at("/private/var/run").chmod(0o1777)
    print(f"{os.path.basename(argv[0])}: local node {outcome}", flush=True)
    while True:
        time.sleep(3600)
