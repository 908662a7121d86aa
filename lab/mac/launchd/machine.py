"""The machine's launchd as a whole: its domains, the GUI login, reaping, and the way down."""

import contextlib
import os
import pwd
import signal
import stat
import time
from collections.abc import Callable

from .. import clock
from ..forkserver import caller
from . import errors, log, paths, session
from .domain import Domain
from .errors import LaunchdError
from .job import Job
from .loop import Loop
from .watch import PathWatch

HALT_STATUS = 0
REBOOT_STATUS = 65  # process 1's exit status when a reboot was asked for: 64 + 1
SHUTDOWN_GRACE_S = 5.0
STRAY_GRACE_S = 0.5
FORK_SERVER_LABEL = "com.apple.lab.forkserver"
DIRECTORY_LABEL = "com.apple.opendirectoryd"
DIRECTORY_WAIT_S = 3.0
DIRECTORY_POLL_S = 0.02


class Machine:
    """Process 1's state. `boot` brings it up, `shut_down` takes it down and ends the loop."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.domains: dict[str, Domain] = {}
        self.processes: dict[int, Job] = {}
        self.visitors: dict[int, tuple[str, str]] = {}  # asuser: pid -> (domain, start time)
        self.going_down = False
        self._status = HALT_STATUS
        self._booted = time.monotonic()
        self.system = self._add("system", None)

    def boot(self) -> None:
        """Load the system's daemons, then log in whom the machine is told to."""
        os.chmod(paths.at(paths.RUN), 0o755)
        if os.path.exists(clock.JUMPS):
            PathWatch(self.loop, [clock.JUMPS], self._clock_was_set)
        self.system.bootstrap_folders(paths.DAEMON_FOLDERS)
        self._log_in_when_ready()

    def log_in(self, account: pwd.struct_passwd) -> Domain:
        """Open a GUI session: the domain gui/<uid> and its agents."""
        domain = self._add("gui", account.pw_uid)
        log.write(domain.name, f"GUI session of {account.pw_name}")
        session.begin(account)
        home = os.path.join(account.pw_dir, "Library/LaunchAgents")
        domain.bootstrap_folders((*paths.AGENT_FOLDERS, home))
        return domain

    def log_out(self, domain: Domain, done: Callable[[], None]) -> None:
        """End a session: its jobs, then the domain itself."""

        def gone() -> None:
            self.domains.pop(domain.name, None)
            if domain.kind == "gui":
                session.end(domain.uid or 0)
            done()

        domain.tear_down(gone)

    def domain(self, name: str) -> Domain:
        """Return a domain by its target.

        A user's background domain comes up when it is first asked for; a GUI domain exists only
        while its user is logged in. Raises `LaunchdError` 125 where there is none.
        """
        if name in self.domains:
            return self.domains[name]
        kind, _, number = name.partition("/")
        if kind == "user" and number.isdigit():
            try:
                pwd.getpwuid(int(number))
            except KeyError as error:
                raise LaunchdError(errors.UNSUPPORTED, name) from error
            return self._add("user", int(number))
        raise LaunchdError(errors.UNSUPPORTED, name)

    def domain_of(self, pid: int, uid: int) -> Domain:
        """Return the domain a process lives in: that of the job it descends from.

        What descends from a daemon (sshd, say) is in `system` for root, in user/<uid> for others.
        """
        for ancestor in _ancestors(pid, self._fork_server()):
            if ancestor in self.processes and self.processes[ancestor].domain.kind != "system":
                return self.processes[ancestor].domain
            visited, started = self.visitors.get(ancestor, ("", ""))
            if visited in self.domains and started == start_time(ancestor):
                return self.domains[visited]
        return self.system if uid == 0 else self.domain(f"user/{uid}")

    def started(self, job: Job, pid: int) -> None:
        """Remember which job a process is."""
        self.processes[pid] = job

    def reap(self) -> None:
        """Collect every process that ended, orphans too."""
        with contextlib.suppress(ChildProcessError):
            while found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                job = self.processes.pop(found.si_pid, None)
                if job is not None and not job.spec.abandon_process_group:
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.killpg(found.si_pid, signal.SIGTERM)
                _pid, status = os.waitpid(found.si_pid, 0)
                if job is not None:
                    job.ended(found.si_pid, status)

    def shut_down(self, status: int) -> None:
        """End all jobs in good order: SIGTERM, wait a few seconds, SIGKILL; then exit."""
        if self.going_down:
            return
        self.going_down = True
        self._status = status
        log.write("system", f"shutting down (status {status})")
        for domain in list(self.domains.values()):
            domain.tear_down(self._check_jobs_gone)
        for pid in list(self.processes):
            self._signal(pid, signal.SIGTERM)  # connections of inetd-style jobs
        self.loop.after(SHUTDOWN_GRACE_S, self._finish)

    def _check_jobs_gone(self) -> None:
        if not any(domain.jobs for domain in self.domains.values()):
            self._signal(-1, signal.SIGTERM)  # strays: daemons that left their job's group
            self.loop.after(STRAY_GRACE_S if _others_alive() else 0.0, self._finish)

    def _finish(self) -> None:
        self._signal(-1, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, 0):
                pass
        self.loop.stop(self._status)

    def _clock_was_set(self) -> None:
        for domain in list(self.domains.values()):
            for job in list(domain.jobs.values()):
                job.clock_was_set()

    def _fork_server(self) -> int | None:
        job = self.system.jobs.get(FORK_SERVER_LABEL)
        return job.pid if job else None

    def _add(self, kind: str, uid: int | None) -> Domain:
        domain = Domain(kind, uid, self.loop, self.started)
        self.domains[domain.name] = domain
        return domain

    def _log_in_when_ready(self) -> None:
        """Wait for opendirectoryd, where there is one: accounts are what it says they are.

        The last thing it does before it serves is to make /var/run writable for all.
        """
        waiting = time.monotonic() - self._booted < DIRECTORY_WAIT_S
        ready = bool(os.stat(paths.at(paths.RUN)).st_mode & stat.S_ISVTX)
        if DIRECTORY_LABEL in self.system.jobs and waiting and not ready:
            self.loop.after(DIRECTORY_POLL_S, self._log_in_when_ready)
        elif not self.going_down and (account := session.decide()) is not None:
            self.log_in(account)

    @staticmethod
    def _signal(pid: int, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _others_alive() -> bool:
    return any(name.isdigit() and name != "1" for name in os.listdir("/proc"))


def _stat_fields(pid: int) -> list[str]:
    """Return /proc/<pid>/stat from the state on; empty when the process is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return []


def start_time(pid: int) -> str:
    """Return when a process started, in clock ticks; "" when it is gone."""
    fields = _stat_fields(pid)
    return fields[19] if fields else ""


def _ancestors(pid: int, fork_server: int | None) -> list[int]:
    """Return a process and those it descends from; a stand-in descends from who called it."""
    chain = []
    while pid > 1:
        chain.append(pid)
        fields = _stat_fields(pid)
        parent = int(fields[1]) if fields else 0
        pid = caller.of_child(pid) if parent == fork_server else parent
    return chain
