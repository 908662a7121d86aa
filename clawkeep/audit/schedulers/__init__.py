"""The schedulers of an operator's machine: launchd on a Mac, systemd or cron elsewhere.

Each runs a job once an hour as the operator, never as root; the job itself knows whether an audit
is due. So a machine that was off or asleep at some hour makes it up, and a host that was away is
tried again.
"""

from __future__ import annotations

import shutil

from clawkeep.audit.schedulers.cron import Cron
from clawkeep.audit.schedulers.job import Job, Scheduler, SchedulerError, asked
from clawkeep.audit.schedulers.launchd import Launchd
from clawkeep.audit.schedulers.systemd import Systemd

__all__ = ["Cron", "Job", "Launchd", "Scheduler", "SchedulerError", "Systemd", "here"]


def here(system: str) -> Scheduler:
    """Return this machine's scheduler; `system` is `platform.system()`. Raises SchedulerError."""
    if system == "Darwin":
        return Launchd()
    if shutil.which("systemctl") and asked("systemctl", "--user", "show-environment") is not None:
        return Systemd()
    if shutil.which("crontab"):
        return Cron()
    raise SchedulerError(
        "this machine has neither systemd for users nor crontab; install cron, or let another "
        "machine make the audits (docs/how-to/audit.md)"
    )
