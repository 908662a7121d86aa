"""The audit as testinfra tests, a test per check: `pytest tests/audit [--hosts=…]`.

`--hosts` names Macs as CLAWKEEP_HOST does (`me@mac-mini`, `ssh://me@mac-mini:22`), `local://` this
machine, and `lab://NAME` a lab; several with commas. Without it, CLAWKEEP_HOST and the lab decide.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from clawkeep import declared
from clawkeep.audit import accept
from clawkeep.audit.check import Check
from clawkeep.audit.run import Audit, reached
from clawkeep.config import ConfigError
from clawkeep.target import NoTargetError, Target, target
from clawkeep.transport import TransportError
from roles.audit import checks

AUDITS = pytest.StashKey[list[Audit]]()
STACK = pytest.StashKey[contextlib.ExitStack]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[STACK] = contextlib.ExitStack()
    os.environ.setdefault("CLAWKEEP_PROJECT", str(Path(__file__).resolve().parents[2]))


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[STACK].close()


def named(text: str) -> Target:
    """Return the host that one word of `--hosts` means. Raises NoTargetError."""
    scheme, _, rest = text.rpartition("://")
    if scheme == "lab":
        return target({**os.environ, "CLAWKEEP_HOST": "", "CLAWKEEP_LAB": rest}, system="Linux")
    if scheme == "local":
        return target({"CLAWKEEP_HOST": "@local"})
    if scheme not in {"", "ssh", "paramiko"}:
        raise NoTargetError(f"--hosts={text}: expected user@mac, ssh://, local:// or lab://")
    return target({**os.environ, "CLAWKEEP_HOST": rest})


def audits(config: pytest.Config) -> list[Audit]:
    """Reach every host, once per run; a host that is not reached ends the run with an error."""
    if AUDITS not in config.stash:
        words = [word for word in (config.getoption("hosts") or "").split(",") if word]
        try:
            keep = declared.keep()
            known = accept.here()
            hosts = [named(word) for word in words] or [target()]
            found = []
            for host in hosts:
                if host.state:
                    os.environ["CLAWKEEP_STATE"] = host.state
                audit = config.stash[STACK].enter_context(reached(keep, host, checks, known))
                found.append(audit)
        except (ConfigError, NoTargetError, TransportError, OSError) as error:
            raise pytest.UsageError(str(error)) from error
        config.stash[AUDITS] = found
    return config.stash[AUDITS]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each check of each host."""
    if "check" not in metafunc.fixturenames:
        return
    rows = [(audit, check) for audit in audits(metafunc.config) for check in audit.checks]
    several = len({audit.target.name for audit, _ in rows}) > 1
    names = [f"{a.target.name}/{c.name}" if several else c.name for a, c in rows]
    metafunc.parametrize(("audit", "check"), rows, ids=names)


@pytest.fixture(scope="session", autouse=True)
def answered(request: pytest.FixtureRequest) -> None:
    """Have everything asked that the selected tests want, in a few round trips."""
    rows: dict[int, tuple[Audit, list[Check]]] = {}
    for item in request.session.items:
        params = getattr(getattr(item, "callspec", None), "params", {})
        if "check" in params:
            audit = params["audit"]
            rows.setdefault(id(audit), (audit, []))[1].append(params["check"])
    for audit, wanted in rows.values():
        audit.outcomes(wanted)
