"""`clawkeep backup`: make, look at, bring back and forget backups.

The host does it, so that its key never leaves it. With `--repository` it is done here instead: for
the day when the Mac is gone and its backups are not.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from clawkeep.backup import keys
from clawkeep.backup.errors import BackupError
from clawkeep.cli import backup_here
from clawkeep.cli.verb import Verb, actions, explain, say, waits
from clawkeep.remote import pass_on
from clawkeep.secrets.files import replace

LONGEST_S = 24 * 3600
QUICK_S = 120


def _arguments(parser: argparse.ArgumentParser) -> None:
    found = actions(
        parser,
        {
            "create": "make a backup now; it forgets no other",
            "list": "list the backups",
            "check": "read the whole repository, and name each file that is damaged",
            "restore": "bring a backup back into a scratch folder and compare it with its manifest",
            "prune": "forget the backups that are not to be kept",
            "image": "export the stopped VM into one file on the host (not encrypted)",
            "status": "how the backups are: age, verdict, last restore test",
            "key": "make a key, or look whether one opens a repository",
        },
    )
    for name in ("create", "restore", "image"):
        waits(found[name])
    for name in ("create", "list", "check", "restore", "prune", "image", "status"):
        found[name].add_argument("--json", action="store_true", help="print the result as JSON")
    for name in ("list", "check", "restore"):
        found[name].add_argument(
            "--repository", metavar="FOLDER", help="read this one, here; needs --key-file"
        )
        found[name].add_argument("--key-file", metavar="FILE", help="the key, for --repository")
    found["check"].add_argument(
        "--set-aside", action="store_true",
        help="remove chunks that do not open, so that the next backup writes them again",
    )  # fmt: skip
    restore = found["restore"]
    restore.add_argument("name", nargs="?", default="latest", help="which one (the newest)")
    where = restore.add_mutually_exclusive_group()
    where.add_argument("--into", metavar="FOLDER", help="keep what comes back in a new folder")
    where.add_argument(
        "--to-guest", action="store_true",
        help="put the agent's state back in the guest, where NanoClaw must be stopped",
    )  # fmt: skip
    found["prune"].add_argument("--dry-run", action="store_true", help="only say which")
    found["image"].add_argument("file", metavar="FILE", help="a new file on the host")
    found["image"].add_argument(
        "--check", action="store_true", help="look whether one that was exported is still whole"
    )
    key = found["key"]
    key.add_argument("what", choices=("new", "check"), help="make one, or try one")
    key.add_argument("file", metavar="FILE", help="the file of the key")
    key.add_argument("--repository", metavar="FOLDER", help="check: a repository that is here")


def _run(options: argparse.Namespace) -> int:
    try:
        if options.action == "key":
            return _key(options)
        if getattr(options, "repository", None) or getattr(options, "key_file", None):
            return backup_here.run(options)
    except (BackupError, OSError) as error:
        explain(f"clawkeep backup {options.action}: {error}")
        return 2
    quick = options.action in {"status", "list"}
    return pass_on(["backup", *_words(options)], timeout_s=QUICK_S if quick else LONGEST_S)


def _words(options: argparse.Namespace) -> list[str]:
    """Return the words for the host's own verb."""
    words = [options.action]
    if options.action == "restore":
        words += [options.name]
        words += [f"--into={options.into}"] if options.into else []
        words += ["--to-guest"] if options.to_guest else []
    if options.action == "image":
        words += [options.file]
    if getattr(options, "wait", None) is not None:
        words.append(f"--wait={options.wait}")
    for flag in ("set_aside", "dry_run", "check", "json"):
        words += [f"--{flag.replace('_', '-')}"] if getattr(options, flag, False) else []
    return words


def _key(options: argparse.Namespace) -> int:
    path = Path(options.file)
    if options.what == "check":
        if not options.repository:
            raise BackupError("name the repository that it is to open: --repository FOLDER")
        found = backup_here.opened(Path(options.repository), path)
        say(f"the key opens {options.repository}, of {len(found.catalogue().backups)} backups")
        return 0
    if os.path.lexists(path):
        raise BackupError(f"{path} is there already; a key that is lost is not made again")
    replace(path, f"{keys.new_key()}\n".encode())
    explain(
        f"{path} holds a new key (0600). Put it where `backup.key` refers to, such as\n"
        f"  clawkeep secrets seal backup-key < {path}\n"
        "and a second copy where no fire of the first reaches it: on paper, or in a vault of "
        "another place. Without it no backup can be read, by nobody. Then remove the file"
    )
    return 0


VERB = Verb(
    summary="make, look at, bring back and forget backups",
    run=_run,
    arguments=_arguments,
    description="Backups of the agent's state and the host's own files, encrypted; declared by "
    "`backup` in\ngroup_data/all.py. `restore` alone is a test: what comes back is compared with "
    "the manifest,\nSQLite's rows are counted, and the scratch folder is removed.",
    epilog="exit status: 0 well; 1 something is not: a problem in the backup, damage, a "
    "difference;\n2 cannot tell, or nothing was done; 75 others are at work on the guest\n\n"
    "example: clawkeep backup create\n"
    "         clawkeep backup restore --json | jq .differences\n"
    "         clawkeep backup restore --repository /mnt/clawkeep --key-file key --into ./back",
)
