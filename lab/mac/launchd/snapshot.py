"""What launchd tells launchctl of a job or a domain: plain data, for launchctl to print."""

import os
from typing import Any

from .domain import SESSION_TYPE, Domain
from .job import Job
from .spawn import PATH


def of_job(job: Job) -> dict[str, Any]:
    """Describe one job."""
    spec, domain = job.spec, job.domain
    flags = {
        "keepalive": spec.keep_alive or bool(spec.keep_alive_if),
        "runatload": spec.run_at_load,
        "inferred program": spec.program == spec.arguments[0],
        "inetd-compatible": bool(spec.listeners),
    }
    return {
        "target": domain.target(job.label),
        "label": job.label,
        "domain": domain.name,
        "session": SESSION_TYPE[domain.kind],
        "path": spec.path,
        "type": "LaunchDaemon" if domain.kind == "system" else "LaunchAgent",
        "state": job.state,
        "pid": job.pid,
        "connections": len(job.connections),
        "program": spec.program,
        "arguments": list(spec.arguments),
        "environment": {
            "PATH": PATH,
            **domain.environment,
            **spec.environment,
            "XPC_SERVICE_NAME": job.label,
        },
        "username": spec.user,
        "group": spec.group,
        "working directory": spec.working_directory,
        "stdout path": None if spec.stdout == "/dev/null" else spec.stdout,
        "stderr path": None if spec.stderr == "/dev/null" else spec.stderr,
        "minimum runtime": spec.throttle_s,
        "exit timeout": spec.exit_timeout_s,
        "run interval": spec.start_interval_s,
        "runs": job.runs,
        "reason": job.reason,
        "status": job.status,
        "properties": [name for name, present in flags.items() if present],
        "on demand": not spec.keep_alive,
    }


def of_domain(domain: Domain) -> dict[str, Any]:
    """Describe a domain, its jobs in short, and what was disabled in it."""
    return {
        "name": domain.name,
        "kind": domain.kind,
        "uid": domain.uid or 0,
        "session": SESSION_TYPE[domain.kind],
        "services": [
            {"label": label, "pid": job.pid, "status": job.status}
            for label, job in sorted(domain.jobs.items())
        ],
        "disabled": dict(sorted(domain.overrides.disabled.items())),
        "environment": dict(domain.environment),
        "creator euid": os.geteuid(),
    }
