"""What is asked of a guest around an update. Runs in the guest, on its own Python 3.9.

Sent on stdin with one more line that calls `main`. `outdated` and `upgrade` run as Homebrew's
owner, `programs` as the guest's user.
"""

from __future__ import annotations

import concurrent.futures
import glob
import json
import os
import shutil
import subprocess
import tempfile
from typing import Any

PREFIX = "/opt/homebrew"
BREW = PREFIX + "/bin/brew"
VENV = PREFIX + "/var/clawkeep/venv"
MOST_PROGRAMS = 40
PROGRAM_S = 15
SAID = 4000

# brew 6 asks before it installs, updates itself when it is in the mood, and upgrades what depends
# on what it upgrades (reference/macos.md §7).
QUIET = (
    "NO_AUTO_UPDATE",
    "NO_INSTALL_UPGRADE",
    "NO_INSTALLED_DEPENDENTS_CHECK",
    "NO_ENV_HINTS",
    "NO_ANALYTICS",
    "NO_ASK",
)


def kegs() -> dict[str, str]:
    """Return the version of each installed formula: the one that `opt` leads to."""
    found = {}
    for receipt in glob.glob(PREFIX + "/opt/*/INSTALL_RECEIPT.json"):
        name = receipt.split("/")[-2]
        keg = os.path.realpath(os.path.dirname(receipt)).split("/")
        # `opt` has links by old names and aliases, too.
        if keg[-2:-1] == [name]:
            found[name] = keg[-1]
    return found


def brew(words: list[str], proxy: str, limit_s: float) -> dict[str, Any]:
    """Run brew with a cache of its own, so that it must ask what there is today; it goes after."""
    cache = tempfile.mkdtemp(prefix="clawkeep-update-")
    env = dict(os.environ, HOMEBREW_CACHE=cache, NONINTERACTIVE="1", no_proxy="", NO_PROXY="")
    env.update(("HOMEBREW_" + name, "1") for name in QUIET)
    for name in ("http_proxy", "https_proxy", "all_proxy") if proxy else ():
        env[name] = env[name.upper()] = proxy
    try:
        done = subprocess.run(
            [BREW, *words], env=env, stdin=subprocess.DEVNULL, capture_output=True,
            timeout=limit_s, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return {"status": -1, "out": "", "err": str(error)[-SAID:]}
    finally:
        shutil.rmtree(cache, ignore_errors=True)
    err = done.stderr.decode(errors="replace")[-SAID:]
    return {"status": done.returncode, "out": done.stdout.decode(errors="replace"), "err": err}


def runs(path: str) -> bool:
    """Tell whether a program starts and says its version; many have no such option, and do not."""
    try:
        done = subprocess.run(
            [path, "--version"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, timeout=PROGRAM_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def programs(formulas: list[str]) -> list[str]:
    """Return which programs of formulas run: `opt/NAME/bin/PROGRAM`."""
    paths: list[str] = []
    for formula in formulas:
        for folder in ("bin", "sbin"):
            there = sorted(glob.glob(f"{PREFIX}/opt/{formula}/{folder}/*"))
            paths += there[:MOST_PROGRAMS]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        ok = list(pool.map(runs, paths))
    return [path[len(PREFIX) + 1 :] for path, well in zip(paths, ok) if well]


def pip_tools() -> dict[str, str]:
    """Return the version of each tool in the virtual environment, by its metadata folder."""
    found = {}
    for path in glob.glob(VENV + "/lib/python*/site-packages/*.dist-info"):
        name, _, version = os.path.basename(path)[: -len(".dist-info")].rpartition("-")
        found[name.replace("_", "-").lower()] = version
    return found


def release() -> str:
    """Return the name of NanoClaw's active release, "" when there is none."""
    try:
        return os.path.basename(os.readlink("/opt/nanoclaw/current"))
    except OSError:
        return ""


def main(text: str) -> None:
    """Do what the JSON object `text` asks; print the answer as one."""
    question = json.loads(text)
    do, proxy = question["do"], question.get("proxy", "")
    answer: dict[str, Any] = {"kegs": kegs(), "release": release()}
    if do == "outdated" and proxy:
        answer["brew"] = brew(["outdated", "--json=v2", "--formula"], proxy, 300)
    elif do == "upgrade":
        # Whatever goes wrong is undone as a whole, so the former kegs need not be kept.
        words = ["upgrade", "--formula", "--quiet"] + question["formulas"]
        answer["brew"] = brew(words, proxy, 2400)
        answer["brew"]["out"] = ""
    elif do == "programs":
        answer["programs"] = programs(question["formulas"])
    if do == "outdated":
        asked = subprocess.run(
            ["/usr/bin/sw_vers", "-productVersion"], stdout=subprocess.PIPE, check=False
        )
        answer["pip"] = pip_tools()
        answer["macos"] = asked.stdout.decode(errors="replace").strip()
    print(json.dumps(answer))
