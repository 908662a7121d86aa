"""What launchd does for each request of launchctl, and who may ask for it.

The system domain is root's; gui/<uid> and user/<uid> also their user's. Reading is free.
Source: reference/macos.md §4.2.
"""

import os
from collections.abc import Callable
from typing import Any

from . import errors, log, machine, snapshot
from .control import Peer, Reply
from .domain import Domain
from .errors import LaunchdError
from .machine import Machine

Request = dict[str, Any]
Operation = Callable[["Requests", Request, Peer, Reply], None]


class Requests:
    """Handles requests for one machine."""

    def __init__(self, running: Machine) -> None:
        self._machine = running

    def handle(self, request: Request, peer: Peer, reply: Reply) -> None:
        """Answer a request; raises `LaunchdError` with the code to answer with."""
        operation = OPERATIONS.get(request.get("op", ""))
        if operation is None:
            raise LaunchdError(errors.EINVAL, "unknown request")
        try:
            operation(self, request, peer, reply)
        except LaunchdError as error:
            log.write(
                f"{request['op']} by {peer.uid}.{peer.pid}", f"{error.code}: {error}", "Error"
            )
            raise

    def _mutable(self, request: Request, peer: Peer) -> Domain:
        name = request["domain"]
        owner = name.partition("/")[2]
        if peer.uid != 0 and owner != str(peer.uid):
            raise LaunchdError(errors.EPERM, f"{name} is not {peer.uid}'s")
        return self._machine.domain(name)

    def _bootstrap(self, request: Request, peer: Peer, reply: Reply) -> None:
        if self._machine.going_down:
            raise LaunchdError(errors.EIO, "shutting down")
        domain = self._mutable(request, peer)
        if request.get("enable"):
            domain.overrides.set(request["enable"], disabled=False)
        domain.bootstrap(request["path"])
        reply.send()

    def _bootout(self, request: Request, peer: Peer, reply: Reply) -> None:
        self._mutable(request, peer).bootout(request["label"])
        reply.send()

    def _log_out(self, request: Request, peer: Peer, reply: Reply) -> None:
        domain = self._mutable(request, peer)
        if domain.kind == "system":
            raise LaunchdError(errors.EPERM, "the system domain stays")
        reply.send()
        self._machine.log_out(domain, lambda: None)

    def _override(self, request: Request, peer: Peer, reply: Reply) -> None:
        domain = self._mutable(request, peer)
        domain.overrides.set(request["label"], disabled=request["disabled"])
        for other in self._machine.domains.values():  # gui/N and user/N share one file
            if other.uid == domain.uid:
                other.overrides.disabled[request["label"]] = request["disabled"]
        reply.send()

    def _kickstart(self, request: Request, peer: Peer, reply: Reply) -> None:
        job = self._mutable(request, peer).job(request["label"])
        if job.draining:
            raise LaunchdError(errors.EALREADY, f"{job.label} is being removed")
        job.kickstart(kill=request["kill"], started=lambda pid: reply.send(pid=pid))

    def _kill(self, request: Request, peer: Peer, reply: Reply) -> None:
        if not self._mutable(request, peer).job(request["label"]).kill(request["signal"]):
            raise LaunchdError(errors.ESRCH, f"{request['label']} is not running")
        reply.send()

    def _stop(self, request: Request, peer: Peer, reply: Reply) -> None:
        self._mutable(request, peer).job(request["label"]).terminate()
        reply.send()

    def _service(self, request: Request, _peer: Peer, reply: Reply) -> None:
        domain = self._machine.domain(request["domain"])
        if request["label"] not in domain.jobs:
            reply.send(errors.NO_SERVICE, description=domain.description)
            return
        reply.send(service=snapshot.of_job(domain.jobs[request["label"]]))

    def _domain(self, request: Request, _peer: Peer, reply: Reply) -> None:
        reply.send(domain=snapshot.of_domain(self._machine.domain(request["domain"])))

    def _whose(self, _request: Request, peer: Peer, reply: Reply) -> None:
        """Tell a caller its own domain, and the one that the legacy verbs work on."""
        own = self._machine.domain_of(peer.pid, peer.uid)
        gui = f"gui/{peer.uid}"
        legacy = gui if gui in self._machine.domains else own.name
        legacy = "system" if peer.uid == 0 else legacy
        reply.send(domain=own.name, kind=own.kind, uid=own.uid or 0, legacy=legacy)

    def _environment(self, request: Request, peer: Peer, reply: Reply) -> None:
        domain = self._machine.domain_of(peer.pid, peer.uid)
        if domain.kind == "user" and f"gui/{peer.uid}" in self._machine.domains:
            domain = self._machine.domains[f"gui/{peer.uid}"]
        if request.get("value") is not None:
            domain.environment[request["name"]] = request["value"]
        elif request.get("unset"):
            domain.environment.pop(request["name"], None)
        reply.send(value=domain.environment.get(request["name"]))

    def _visit(self, request: Request, peer: Peer, reply: Reply) -> None:
        """asuser: the caller's process joins a user's session. Root only."""
        if peer.uid != 0:
            raise LaunchdError(errors.EPERM, "asuser needs root")
        visited = f"gui/{request['uid']}"
        if visited not in self._machine.domains:
            visited = self._machine.domain(f"user/{request['uid']}").name
        visitors = self._machine.visitors
        for pid in [pid for pid in visitors if not os.path.exists(f"/proc/{pid}")]:
            del visitors[pid]
        visitors[peer.pid] = (visited, machine.start_time(peer.pid))
        reply.send()

    def _shut_down(self, request: Request, peer: Peer, reply: Reply) -> None:
        if peer.uid != 0:
            raise LaunchdError(errors.EPERM, "shutdown needs root")
        status = machine.REBOOT_STATUS if request["reboot"] else machine.HALT_STATUS
        reply.send()
        self._machine.loop.after(request.get("delay", 0), lambda: self._machine.shut_down(status))


OPERATIONS: dict[str, Operation] = {
    "bootstrap": Requests._bootstrap,
    "bootout": Requests._bootout,
    "log_out": Requests._log_out,
    "override": Requests._override,
    "kickstart": Requests._kickstart,
    "kill": Requests._kill,
    "stop": Requests._stop,
    "service": Requests._service,
    "domain": Requests._domain,
    "whose": Requests._whose,
    "environment": Requests._environment,
    "visit": Requests._visit,
    "shut_down": Requests._shut_down,
}
