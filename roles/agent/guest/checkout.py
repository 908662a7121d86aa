"""Builds a release of NanoClaw in the guest, makes it the active one, says what is there.

    checkout.py status           what is there, as JSON
    checkout.py build            builds what the specification on stdin says; prints its id
    checkout.py activate ID      makes a complete release the active one

Runs as the service user, who owns all of it. A release is built beside the others under a name
that nobody takes for one, and renamed when it is complete: whatever fails or is killed on the way,
the release that is active stays so. Exit status: 0 done, 1 not, with step, command and the
command's last lines on stderr.
Runs on the guest's own Python 3.9, standard library only.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import releases
from building import Build, changes, environment
from stepping import StepError, run


def build(places: releases.Places, spec: dict) -> str:
    """Build with the lock held; whatever happens, nothing half is left. Raises StepError."""
    os.makedirs(places.releases, mode=0o755, exist_ok=True)
    with open(os.path.join(places.root, ".lock"), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StepError("another build is at work; wait until it has ended") from error
        work = Build(places, spec)
        try:
            return work.run()
        except OSError as error:
            raise StepError(f"{work.step}: {error}") from error
        finally:
            shutil.rmtree(work.folder, ignore_errors=True)


def status(places: releases.Places, node: str) -> dict[str, object]:
    """Return what is there: releases, the active one, what was changed in it, the Node to be used.

    `node` is the Node's path; None stands for what cannot be told.
    """
    active = places.active()
    found: dict[str, object] = {
        "releases": places.records(),
        "active": active,
        "folders": places.wrong_folders(),
        "node": None,
        "dirty": [],
    }
    env = environment(places, {"node": node})
    try:
        script = "[process.versions.modules, process.arch].join(' ')"
        abi, arch = run("node", [node, "-p", script], "/", env, timeout_s=30).split()
        found["node"] = {"abi": abi, "arch": arch}
    except (StepError, ValueError):
        pass
    if active:
        found["dirty"] = changes(places.release(str(active["id"])), active, env)
    return found


def main(arguments: list[str]) -> int:
    """Run one verb."""
    parser = argparse.ArgumentParser(prog="checkout.py")
    parser.add_argument("verb", choices=["status", "build", "activate"])
    parser.add_argument("argument", nargs="?", default="")
    parser.add_argument("--root", default=releases.ROOT)
    options = parser.parse_args(arguments)
    places = releases.Places(options.root)
    os.umask(0o022)
    try:
        if options.verb == "status":
            print(json.dumps(status(places, options.argument)))
        elif options.verb == "build":
            print(build(places, json.load(sys.stdin)))
        else:
            places.activate(options.argument)
    except (StepError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyError as error:
        sys.stderr.write(f"there is no complete release {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
