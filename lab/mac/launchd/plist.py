"""A job's property list: read, checked for owner, mode and types, and turned into a `JobSpec`.

Unknown keys are ignored, wrong types are refused. Source: reference/macos.md §4.1.
"""

import os
import plistlib
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.parsers.expat import ExpatError

from . import calendar, errors, sockets
from .errors import LaunchdError

DEFAULT_THROTTLE_S = 10
DEFAULT_EXIT_TIMEOUT_S = 20
KEEP_ALIVE_TYPES: dict[str, type] = {
    "SuccessfulExit": bool,
    "Crashed": bool,
    "PathState": dict,
    "OtherJobEnabled": dict,
}
LIMITS = ("Core", "CPU", "Data", "FileSize", "MemoryLock", "NumberOfFiles", "NumberOfProcesses",
          "ResidentSetSize", "Stack")  # fmt: skip


@dataclass(frozen=True)
class JobSpec:
    """What a property list declares, with launchd's defaults filled in. Durations in seconds."""

    label: str
    program: str
    arguments: tuple[str, ...]
    path: str = ""
    run_at_load: bool = False
    keep_alive: bool = False
    keep_alive_if: Mapping[str, Any] = field(default_factory=dict)
    throttle_s: int = DEFAULT_THROTTLE_S
    start_interval_s: int | None = None
    calendar: tuple[Mapping[str, int], ...] = ()
    watch_paths: tuple[str, ...] = ()
    user: str | None = None
    group: str | None = None
    working_directory: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    stdin: str = "/dev/null"
    stdout: str = "/dev/null"
    stderr: str = "/dev/null"
    umask: int | None = None
    exit_timeout_s: int = DEFAULT_EXIT_TIMEOUT_S
    listeners: tuple[sockets.Listener, ...] = ()
    instances: int = sockets.DEFAULT_INSTANCES
    session_types: tuple[str, ...] = ()
    disabled: bool = False
    abandon_process_group: bool = False
    soft_limits: Mapping[str, int] = field(default_factory=dict)
    hard_limits: Mapping[str, int] = field(default_factory=dict)


def load(path: str, owners: tuple[int, ...]) -> JobSpec:
    """Read a job from a file that one of `owners` (uids) owns and nobody else can write.

    Raises `LaunchdError`: 2 no such file, 122 bad ownership or mode, 5 anything in it is wrong.
    """
    try:
        with open(path, "rb") as file:
            facts = os.fstat(file.fileno())
            data = file.read()
    except OSError as error:
        raise LaunchdError(errors.ENOENT, f"{path}: {error.strerror}") from error
    if not stat.S_ISREG(facts.st_mode) or facts.st_mode & 0o022 or facts.st_uid not in owners:
        raise LaunchdError(
            errors.BAD_OWNERSHIP,
            f"Caller specified a plist with bad ownership/permissions: path = {path}",
        )
    try:
        tree = plistlib.loads(data)
    except (plistlib.InvalidFileException, ExpatError, ValueError, AttributeError) as error:
        raise LaunchdError(errors.EIO, f"{path}: Invalid property list: {error}") from error
    return parse(tree, path)


def parse(tree: object, path: str = "") -> JobSpec:
    """Check a property list's types and build the job; raises `LaunchdError` 5."""
    if not isinstance(tree, dict):
        raise _invalid(path, "the root is not a dictionary")
    keys = _Keys(tree, path)
    label = keys.take("Label", str)
    if not label:
        raise _invalid(path, "Label is missing")
    arguments = tuple(keys.strings("ProgramArguments"))
    program = keys.take("Program", str) or (arguments[0] if arguments else "")
    if not program.startswith("/"):
        raise _invalid(path, f"Program is not an absolute path: {program!r}")
    stdout, stderr = keys.take("StandardOutPath", str), keys.take("StandardErrorPath", str)
    keep_alive = tree.get("KeepAlive", False)
    if not isinstance(keep_alive, (bool, dict)):
        raise _invalid(path, "KeepAlive is neither a boolean nor a dictionary")
    conditions = _conditions(keep_alive, path) if isinstance(keep_alive, dict) else {}
    try:
        listeners, instances = sockets.parse(tree.get("Sockets"), tree.get("inetdCompatibility"))
    except sockets.BadSocketsError as error:
        raise _invalid(path, str(error)) from error
    return JobSpec(
        label=label,
        program=program,
        arguments=arguments or (program,),
        path=path,
        run_at_load=keys.take("RunAtLoad", bool) or False,
        keep_alive=keep_alive is True,
        keep_alive_if=conditions,
        throttle_s=keys.number("ThrottleInterval", DEFAULT_THROTTLE_S),
        start_interval_s=keys.take("StartInterval", int),
        calendar=_calendar(tree.get("StartCalendarInterval"), path),
        watch_paths=tuple(keys.strings("WatchPaths")),
        user=keys.take("UserName", str),
        group=keys.take("GroupName", str),
        working_directory=keys.take("WorkingDirectory", str),
        environment=keys.mapping("EnvironmentVariables", str),
        stdin=keys.take("StandardInPath", str) or "/dev/null",
        stdout=stdout or "/dev/null",
        stderr=stderr or "/dev/null",
        umask=_umask(tree.get("Umask"), path),
        exit_timeout_s=keys.number("ExitTimeOut", DEFAULT_EXIT_TIMEOUT_S),
        listeners=listeners,
        instances=instances,
        session_types=_session_types(tree.get("LimitLoadToSessionType"), path),
        disabled=keys.take("Disabled", bool) or False,
        abandon_process_group=keys.take("AbandonProcessGroup", bool) or False,
        soft_limits=_limits(keys, "SoftResourceLimits"),
        hard_limits=_limits(keys, "HardResourceLimits"),
    )


def _invalid(path: str, why: str) -> LaunchdError:
    return LaunchdError(errors.EIO, f"{path}: Invalid property list: {why}")


class _Keys:
    """Typed access to the keys of one property list."""

    def __init__(self, tree: dict[str, Any], path: str) -> None:
        self._tree, self._path = tree, path

    def take(self, key: str, kind: type) -> Any:
        value = self._tree.get(key)
        if value is not None and type(value) is not kind:
            raise _invalid(self._path, f"{key} is not of type {kind.__name__}")
        return value

    def number(self, key: str, default: int) -> int:
        value: int | None = self.take(key, int)
        if value is not None and value < 0:
            raise _invalid(self._path, f"{key} is negative")
        return default if value is None else value

    def strings(self, key: str) -> list[str]:
        value: list[str] = self.take(key, list) or []
        if not all(isinstance(item, str) for item in value):
            raise _invalid(self._path, f"{key} is not an array of strings")
        return value

    def mapping(self, key: str, kind: type) -> dict[str, Any]:
        value: dict[str, Any] = self.take(key, dict) or {}
        for name, item in value.items():
            if type(item) is not kind:
                raise _invalid(self._path, f"{key}/{name} is not of type {kind.__name__}")
        return value


def _conditions(tree: dict[str, Any], path: str) -> dict[str, Any]:
    """Keep what is implemented; NetworkState is not, on a Mac neither."""
    for key, kind in KEEP_ALIVE_TYPES.items():
        if key in tree and type(tree[key]) is not kind:
            raise _invalid(path, f"KeepAlive/{key} is not of type {kind.__name__}")
    return {key: tree[key] for key in KEEP_ALIVE_TYPES if key in tree}


def _calendar(tree: object, path: str) -> tuple[Mapping[str, int], ...]:
    entries = tree if isinstance(tree, list) else [] if tree is None else [tree]
    for entry in entries:
        if not isinstance(entry, dict):
            raise _invalid(path, "StartCalendarInterval is not a dictionary")
        for key, value in entry.items():
            low, high = calendar.RANGES.get(key, (None, None))
            if low is None or high is None:
                continue
            if type(value) is not int or not low <= value <= high:
                raise _invalid(path, f"StartCalendarInterval/{key} is not {low}..{high}")
    return tuple(entries)


def _umask(value: object, path: str) -> int | None:
    """Take an integer as it is (77 is decimal, whatever was meant), a string as octal."""
    if value is None or type(value) is int:
        return value
    try:
        return int(str(value), 8) if isinstance(value, str) else int("not a umask")
    except ValueError as error:
        raise _invalid(path, "Umask is neither an integer nor an octal string") from error


def _session_types(value: object, path: str) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(item, str) for item in values):
        raise _invalid(path, "LimitLoadToSessionType is neither a string nor an array of strings")
    return tuple(values)


def _limits(keys: _Keys, name: str) -> dict[str, int]:
    return {key: value for key, value in keys.mapping(name, int).items() if key in LIMITS}
