"""Asks the host once and the guest once, at the same time where it can."""

from __future__ import annotations

import contextlib
import json
import shlex
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path
from typing import Any

import paramiko

from clawkeep import policy, survey, tart
from clawkeep.agent import report as agents
from clawkeep.agent.gather import look
from clawkeep.agent.guest import Inside
from clawkeep.health.report import Report as HealthReport
from clawkeep.model import LABEL_PREFIX, Keep, Service
from clawkeep.onhost.plain import plain
from clawkeep.status import health, kept
from clawkeep.status.enforcement import Enforcement
from clawkeep.status.report import Door, GuestState, Report
from clawkeep.target import Target
from clawkeep.transport import HostSession, TransportError, exchange

MARK = survey.MARK
PROBE_TIMEOUT_S = 8


def gather(keep: Keep, target: Target, folder: Path) -> Report:
    """Return the status of the declared keep on `target`; `folder` holds private CA files.

    Never raises for a machine that is not well: what could not be learned is unknown.
    """
    name = keep.guest.name
    nothing = tuple(_door(service, {}, {}) for service in keep.services)
    try:
        session = HostSession(target)
    except (TransportError, OSError) as error:
        return Report(target.name, GuestState(name), nothing, host_error=str(error))
    try:
        with ThreadPoolExecutor(1) as pool:
            script = pool.submit(session.run, _survey(keep))
            first = _sections(session.run(_where(name)))
            state, address, resolver = _guest_of(first, name)
            watcher = _watcher(name, first)
            guest, answers, agent = _inside(session, keep, address, folder, watcher)
            host = _sections(script.result())
    except (TransportError, tart.TartError) as error:
        return Report(target.name, GuestState(name), nothing, host_error=str(error))
    finally:
        session.close()
    declared = tuple(_door(service, host, answers) for service in keep.services)
    enforcement = Enforcement(keep, folder, first, host)
    return Report(
        target.name,
        GuestState(name, state, address, resolver, **guest),
        (*declared, *_undeclared(keep, host, enforcement.granted)),
        anchor=enforcement.anchor(address),
        guard=enforcement.guard(),
        agent=agent,
        granted=tuple(f"{d.name} :{d.port} -> {d.target}" for d in enforcement.granted),
        health=watcher,
        kept=kept.read(keep, host, enforcement.survey.now),
    )


def _watcher(guest: str, host: Mapping[str, str]) -> HealthReport | None:
    """Return the watcher's report; None where the phase that brings one was not applied yet."""
    there = any(host.get(name, "").strip() for name in ("health", "health job"))
    return health.read(guest, host) if there and health.PARTS.keys() <= host.keys() else None


def _where(guest: str) -> str:
    return (
        f"echo '{MARK} identity'; id -un; id -u; echo \"$HOME\"\n"
        f"echo '{MARK} list'; {shlex.join(tart.list_local())} 2>/dev/null\n"
        f"echo '{MARK} address'; {tart.address(guest)}\n"
        f"sudo -n sh -c {shlex.quote(health.SCRIPT)} 2>/dev/null\n"
    )


def _survey(keep: Keep) -> str:
    """Return the script that reads jobs, listeners and what is enforced in one go, as root."""
    jobs = "\n".join(
        f"echo '{MARK} job {s.name}'; launchctl print system/{s.label} 2>/dev/null"
        for s in keep.services
    )
    root = (
        f"{jobs}\necho '{MARK} jobs'; launchctl list\n"
        f"echo '{MARK} listeners'; lsof -nP -iTCP -sTCP:LISTEN\n"
        f"echo '{MARK} interfaces'; ifconfig\n{kept.SCRIPT}{survey.SCRIPT}"
    )
    return f"sudo -n sh -c {shlex.quote(root)} 2>/dev/null\n"


def _sections(text: str) -> dict[str, str]:
    sections: dict[str, str] = {}
    for part in text.split(f"{MARK} ")[1:]:
        name, _, body = part.partition("\n")
        sections[name.strip()] = body
    return sections


def _guest_of(sections: Mapping[str, str], name: str) -> tuple[str, str | None, str | None]:
    listing = sections.get("list", "").strip()
    vms = {vm.name: vm for vm in tart.parse_list(listing)} if listing else None
    if vms is None:
        return "unknown", None, None
    state = vms[name].state if name in vms else "absent"
    words = sections.get("address", "").split()
    # The lease file answers for stopped guests too.
    if state != "running" or len(words) != 2:
        return state, None, None
    return state, words[0], words[1]


def _inside(
    session: HostSession,
    keep: Keep,
    address: str | None,
    folder: Path,
    watcher: HealthReport | None,
) -> tuple[dict[str, Any], dict[str, Any], agents.Report | None]:
    """Log in to the guest, probe every service from there, and look at its agent."""
    if address is None:
        return {}, {}, _unseen(keep, "the guest does not run, or has no address")
    started = time.monotonic()
    try:
        client = session.guest(keep.guest.name, address)
    except TransportError as error:
        return {"error": str(error)}, {}, _unseen(keep, "the guest could not be entered")
    ssh_ms = round((time.monotonic() - started) * 1000)
    guest: dict[str, Any] = {"ssh_ms": ssh_ms, "host_key": "as pinned"}
    with contextlib.closing(client), ThreadPoolExecutor(1) as pool:
        agent = pool.submit(_agent, client, keep, watcher)
        answers: dict[str, Any] = {}
        try:
            answers = _probe(client, keep, folder)
        except (TransportError, OSError, ValueError) as error:
            guest["error"] = f"the probes did not answer: {error}"
        return guest, answers, agent.result()


def _agent(
    client: paramiko.SSHClient, keep: Keep, watcher: HealthReport | None
) -> agents.Report | None:
    if keep.agent is None:
        return None
    seen = health.loop(watcher) if watcher else None
    return look(Inside(client, keep.guest.name, keep.guest.user), keep, keep.agent, seen)


def _unseen(keep: Keep, why: str) -> agents.Report | None:
    if keep.agent is None:
        return None
    return agents.Report(keep.guest.name, keep.agent.profile, error=why)


def _probe(client: paramiko.SSHClient, keep: Keep, folder: Path) -> dict[str, Any]:
    source = (resources.files("clawkeep.status") / "probe.py").read_text()
    questions = json.dumps([_question(s, folder) for s in keep.services])
    text = f"{source}\nmain({questions!r}, {PROBE_TIMEOUT_S})\n"
    answer = exchange(client, "/usr/bin/python3 -I -", text, PROBE_TIMEOUT_S + 5, keep.guest.name)
    return _answers(json.loads(answer))


def _answers(data: object) -> dict[str, Any]:
    """Return the guest's answers by service; it may be hostile, so anything else is dropped."""
    if not isinstance(data, dict):
        return {}
    return {
        str(name): {
            "ok": answer.get("ok") is True,
            "evidence": plain(str(answer.get("evidence", ""))),
            "ms": answer["ms"] if isinstance(answer.get("ms"), int) else None,
        }
        for name, answer in data.items()
        if isinstance(answer, dict)
    }


def _question(service: Service, folder: Path) -> dict[str, Any]:
    ca = folder / service.ca if service.ca else None
    return {
        "name": service.name,
        "kind": service.kind,
        "port": service.port,
        "host": service.guest_name,
        "server_name": service.tls_name if service.kind == "tls" else None,
        "ca": ca.read_text() if ca else None,
    }


def _door(service: Service, host: Mapping[str, str], answers: Mapping[str, Any]) -> Door:
    job = host.get(f"job {service.name}")
    answer = answers.get(service.name, {})
    listeners = host.get("listeners")
    listens = [
        word
        for line in (listeners or "").splitlines()
        for word in line.split()
        if word.endswith(f":{service.port}")
    ]
    evidence = str(answer.get("evidence", ""))
    if _job(job) == "absent":
        evidence = "no bridge on the host; clawkeep apply network makes it"
    return Door(
        name=service.name,
        listen=listens[0] if listens else f":{service.port}",
        target=str(service.target),
        job=_job(job),
        listening=None if listeners is None else bool(listens),
        probe=answer.get("ok"),
        evidence=evidence,
        ms=answer.get("ms"),
    )


def _job(text: str | None) -> str:
    if text is None:
        return "unknown"
    if not text.strip():
        return "absent"
    return "running" if "pid =" in text else "loaded"


def _undeclared(
    keep: Keep, host: Mapping[str, str], granted: tuple[policy.Door, ...]
) -> list[Door]:
    """Return the doors that stand open although neither the allowlist nor a grant names them."""
    words = host.get("jobs", "").split()
    wanted = keep.bridge_labels | {door.label for door in granted}
    labels = sorted({word for word in words if word.startswith(LABEL_PREFIX)} - wanted)
    return [
        Door(
            name=label.removeprefix(LABEL_PREFIX),
            listen="?",
            target="?",
            job="undeclared",
            evidence="neither in the allowlist nor granted; clawkeep apply network removes it",
        )
        for label in labels
    ]
