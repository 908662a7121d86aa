"""A domain: `system`, `gui/<uid>` (a GUI login) or `user/<uid>`, with its jobs.

Source: reference/macos.md §4.2.
"""

import os
import pwd
from collections.abc import Callable, Iterable

from . import errors, log, paths
from .errors import LaunchdError
from .job import Job
from .loop import Loop
from .overrides import Overrides
from .plist import JobSpec, load
from .spawn import Context

SESSION_TYPE = {"system": "System", "gui": "Aqua", "user": "Background"}


class Domain:
    """The jobs of one domain; `started` tells launchd which pid belongs to which job."""

    def __init__(
        self, kind: str, uid: int | None, loop: Loop, started: Callable[[Job, int], None]
    ) -> None:
        self.kind, self.uid, self.loop, self.started = kind, uid, loop, started
        self.jobs: dict[str, Job] = {}
        self.environment: dict[str, str] = {}
        self.overrides = Overrides(uid)
        self.when_empty: Callable[[], None] | None = None

    @property
    def name(self) -> str:
        """The domain target: `system`, `gui/501`, `user/501`."""
        return self.kind if self.uid is None else f"{self.kind}/{self.uid}"

    @property
    def description(self) -> str:
        """How launchctl names it in `Could not find service "x" in domain for …`."""
        match self.kind:
            case "system":
                return "system"
            case "gui":
                return f"user gui: {self.uid}"
            case _:
                return f"uid: {self.uid}"

    def target(self, label: str) -> str:
        """Return the service target, `system/com.example`."""
        return f"{self.name}/{label}"

    def context(self) -> Context:
        """Return what jobs started now get from here; a user's domain runs them as that user."""
        user = None if self.uid is None else pwd.getpwuid(self.uid).pw_name
        return Context(user, dict(self.environment))

    def job(self, label: str) -> Job:
        """Return a job; raises `LaunchdError` 113 for an unknown label."""
        if label not in self.jobs:
            raise LaunchdError(errors.NO_SERVICE, label)
        return self.jobs[label]

    def is_disabled(self, spec: JobSpec) -> bool:
        """Say whether a job may not be loaded: by hand, or else by its own Disabled key."""
        return self.overrides.disabled.get(spec.label, spec.disabled)

    def bootstrap(self, path: str) -> Job:
        """Load the job of one property list.

        Raises `LaunchdError`: 5 already loaded, still draining, disabled or a bad list; 122 bad
        ownership; 134 for another type of session.
        """
        owners = (0,) if self.uid is None else (0, self.uid)
        spec = load(path, owners)
        if spec.label in self.jobs:
            draining = self.jobs[spec.label].draining
            why = "Operation already in progress" if draining else "Service already loaded"
            raise LaunchdError(errors.EIO, f"{self.target(spec.label)}: 37: {why}")
        if self.is_disabled(spec):
            raise LaunchdError(errors.EIO, f"{self.target(spec.label)}: 119: Service is disabled")
        if spec.session_types and self.uid is not None and SESSION_TYPE[self.kind] not in (
            spec.session_types
        ):  # fmt: skip
            raise LaunchdError(errors.WRONG_SESSION, self.target(spec.label))
        job = self.jobs[spec.label] = Job(spec, self)
        job.load()
        self._tell_the_nosy()
        return job

    def bootstrap_folders(self, folders: Iterable[str]) -> None:
        """Load every property list of some folders, in the order of names; refusals are logged."""
        for folder in folders:
            place = paths.at(folder)
            for name in sorted(os.listdir(place)) if os.path.isdir(place) else []:
                if not name.endswith(".plist"):
                    continue
                try:
                    self.bootstrap(os.path.join(place, name))
                except LaunchdError as error:
                    log.write(self.name, f"{name}: {error.code}: {error}", "Error")

    def bootout(self, label: str) -> bool:
        """Unload a job; True when it is gone, False while it drains.

        Raises `LaunchdError` 3 for an unknown label, 36 for one that already drains.
        """
        if label not in self.jobs:
            raise LaunchdError(errors.ESRCH, label)
        job = self.jobs[label]
        if job.draining:
            raise LaunchdError(errors.EINPROGRESS, label)
        if job.unload():
            self.drained(job)
            return True
        return False

    def drained(self, job: Job) -> None:
        """Forget a job whose process is gone: its label is free again."""
        self.jobs.pop(job.label, None)
        self._tell_the_nosy()
        self._report_empty()

    def tear_down(self, when_empty: Callable[[], None]) -> None:
        """Unload every job, then call back: the end of a session."""
        self.when_empty = when_empty
        for label, job in list(self.jobs.items()):
            if not job.draining:
                self.bootout(label)
        self._report_empty()

    def _report_empty(self) -> None:
        if not self.jobs and self.when_empty is not None:
            callback, self.when_empty = self.when_empty, None
            callback()

    def _tell_the_nosy(self) -> None:
        for job in list(self.jobs.values()):
            if "OtherJobEnabled" in job.spec.keep_alive_if:
                job.reconsider()
