"""Command lines that enter a machine of the lab, and become a user there."""

import os
from collections.abc import Sequence

LINUX_BIN = "/System/Lab/linux/bin"
PATH = "/usr/bin:/bin:/usr/sbin:/sbin"
ENTER = ("--mount", "--net", "--pid", "--uts", "--ipc", "--root", "--wd")


def enter(pid: int, nsenter: str = "nsenter") -> list[str]:
    """Return the words before a command that run it in all namespaces of a process."""
    return [nsenter, f"--target={pid}", *ENTER, "--"]


def as_user(user: str, command: Sequence[str]) -> list[str]:
    """Become the user in a lab machine, with the environment that launchd gives; then run."""
    home = "/var/root" if user == "root" else f"/Users/{user}"
    setpriv = [f"{LINUX_BIN}/setpriv", "--pdeathsig", "KILL"]
    if user != "root":
        setpriv += [f"--reuid={user}", "--regid=staff", "--init-groups"]
    variables = [
        f"HOME={home}",
        f"USER={user}",
        f"LOGNAME={user}",
        "SHELL=/bin/zsh",
        f"PATH={PATH}",
    ]
    term = os.environ.get("TERM")
    if term:
        variables.append(f"TERM={term}")
    return [*setpriv, f"{LINUX_BIN}/env", "-i", *variables, *command]
