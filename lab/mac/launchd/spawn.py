"""From a job's declaration to a running process: what happens between fork and exec.

The child gets its own session and process group, launchd's bare PATH, the identity of UserName, and
its files opened as that user. Whatever fails on the way ends it with EX_CONFIG (78), which is what
`last exit code` then says. Source: reference/macos.md §4.1.
"""

import contextlib
import grp
import os
import pwd
import resource
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from . import errors, log
from .plist import JobSpec

PATH = "/usr/bin:/bin:/usr/sbin:/sbin"
RESOURCES = {
    "Core": resource.RLIMIT_CORE,
    "CPU": resource.RLIMIT_CPU,
    "Data": resource.RLIMIT_DATA,
    "FileSize": resource.RLIMIT_FSIZE,
    "MemoryLock": resource.RLIMIT_MEMLOCK,
    "NumberOfFiles": resource.RLIMIT_NOFILE,
    "NumberOfProcesses": resource.RLIMIT_NPROC,
    "ResidentSetSize": resource.RLIMIT_RSS,
    "Stack": resource.RLIMIT_STACK,
}


@dataclass(frozen=True)
class Context:
    """What a domain gives its jobs: the user they run as (None: as the job says) and variables."""

    user: str | None
    environment: Mapping[str, str]


def temporary_folder(uid: int) -> str:
    """Return the user's folder that confstr(_CS_DARWIN_USER_TEMP_DIR) names, as the lab has it."""
    return f"/var/folders/zz/u{uid}/T/"


def spawn(spec: JobSpec, context: Context, connection: int | None = None) -> int:
    """Start the job's program; return its pid. `connection` becomes its stdin, stdout and stderr.

    Raises OSError only when the machine cannot fork; later failures show as exit status 78.
    """
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    try:
        _become(spec, context, connection)
    except KeyError as error:
        log.write(
            f"{spec.label} [{os.getpid()}]", f"Service could not initialize: {error}", "Error"
        )
    except (OSError, ValueError) as error:
        log.write(
            f"{spec.label} [{os.getpid()}]", f"Service could not initialize: {error}", "Error"
        )
    finally:
        os._exit(errors.EX_CONFIG)


def environment_of(
    spec: JobSpec, context: Context, account: pwd.struct_passwd | None
) -> dict[str, str]:
    """Return a job's whole environment: launchd's, the account's, the domain's, then its own."""
    variables = {"PATH": PATH, "XPC_SERVICE_NAME": spec.label, "XPC_FLAGS": "0x0"}
    if account is not None:
        variables |= {
            "HOME": account.pw_dir,
            "USER": account.pw_name,
            "LOGNAME": account.pw_name,
            "SHELL": account.pw_shell,
        }
    if context.user is not None and account is not None:
        variables["TMPDIR"] = temporary_folder(account.pw_uid)
    return variables | dict(context.environment) | dict(spec.environment)


def _become(spec: JobSpec, context: Context, connection: int | None) -> None:
    """Turn this process into the job; only returns by an exception."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGINT, signal.SIGPIPE, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    os.setsid()
    name = context.user or spec.user
    account = pwd.getpwnam(name) if name else None
    _set_limits(spec)
    if account is not None:
        gid = grp.getgrnam(spec.group).gr_gid if spec.group else account.pw_gid
        os.initgroups(account.pw_name, gid)
        os.setgid(gid)
        os.setuid(account.pw_uid)
    elif spec.group:
        os.setgid(grp.getgrnam(spec.group).gr_gid)
    os.umask(0o022 if spec.umask is None else spec.umask)
    os.chdir(spec.working_directory or "/")
    _open_files(spec, connection)
    os.execve(spec.program, list(spec.arguments), environment_of(spec, context, account))


def _open_files(spec: JobSpec, connection: int | None) -> None:
    """Give the job its three files; a connection stands in for those that the job does not name."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOCTTY
    wanted = ((spec.stdin, os.O_RDONLY), (spec.stdout, flags), (spec.stderr, flags))
    for number, (path, mode) in enumerate(wanted):
        if connection is not None and path == "/dev/null":
            os.dup2(connection, number)
            continue
        descriptor = os.open(path, mode, 0o666)
        if descriptor == number:
            os.set_inheritable(descriptor, True)
        else:
            os.dup2(descriptor, number)
            os.close(descriptor)


def _set_limits(spec: JobSpec) -> None:
    for key, number in RESOURCES.items():
        soft, hard = resource.getrlimit(number)
        hard = spec.hard_limits.get(key, hard)
        soft = spec.soft_limits.get(key, soft)
        if key not in spec.hard_limits and key not in spec.soft_limits:
            continue
        if hard != resource.RLIM_INFINITY:
            soft = hard if soft == resource.RLIM_INFINITY else min(soft, hard)
        with contextlib.suppress(PermissionError):
            resource.setrlimit(number, (soft, hard))
