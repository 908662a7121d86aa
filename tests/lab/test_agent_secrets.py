"""Secrets in a real guest: over SSH, as the service's user, and seen by nobody on the way."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from lab.lab import Lab
from tests.lab.keep import BIN, GUEST, Built, project

pytestmark = pytest.mark.lab

TOKEN = "planted-token-5d1f9c"
STATE = "/opt/nanoclaw/state"
DEPLOY = """
from pyinfra import host

from clawkeep import declared
from clawkeep.nanoclaw.env import Key, place
from clawkeep.secrets import parse
from connectors import journal
from roles.agent import secrets as agent
from roles.reachable import reachable

keep = declared.keep()
journal.keep(host.state, keep.digest, host.data.get("tart_host", host.name))
reachable(name="All | the guest is reachable")
if "hosts" not in host.groups:
    found = agent.resolved({"TOKEN": parse("env:PLANTED"), "API": parse("env:PLANTED")})
    keys = [Key("TOKEN", ".env", secret=True), Key("API", "credentials", secret=True)]
    agent.placed(name="Guest | secrets", user="claw", files=agent.agent_files(place(found, keys)))
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, lab: Lab) -> Built:
    small: dict[str, list[str]] = {"packages": [], "tapped": [], "pip_tools": [], "mounts": []}
    built = Built(lab, project(tmp_path_factory.mktemp("secrets"), small))
    built.converge("--data", "phase=base")
    made = built.guest(
        f"install -d -o claw -m 755 /opt/nanoclaw && install -d -o claw -m 711 {STATE} "
        f"{STATE}/data {STATE}/data/env && echo T=old > {STATE}/data/env/env"
    )
    assert made.returncode == 0, made.stderr
    (built.project / "secrets_deploy.py").write_text(DEPLOY)
    return built


def place(built: Built, token: str, *words: str) -> str:
    done = subprocess.run(
        [str(BIN / "pyinfra"), "inventory.py", "secrets_deploy.py", *words],
        cwd=built.project,
        env=built.variables() | {"PLANTED": token},
        capture_output=True,
        text=True,
        timeout=240,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout + done.stderr


def shown(built: Built) -> str:
    """Return what host and guest keep of a run: journals, logs, command lines, temporary files."""
    host = built.host("cat /opt/clawkeep/journal.jsonl; grep -rsa planted /private/tmp /var/log")
    guest = built.guest("grep -rsa planted /private/tmp /private/var /var/log /Users /etc")
    assert "Guest | secrets" in host.stdout
    left = [p.read_text(errors="replace") for p in Path(built.project).glob("*.log")]
    return json.dumps(built.lab.calls()) + host.stdout + guest.stdout + "".join(left)


def test_they_arrive_as_the_service_users_own_and_only_there(built: Built) -> None:
    plan = place(built, TOKEN, "--dry", "-vvv")
    assert built.guest(f"ls -A {STATE}").stdout.split() == ["data"]
    said = place(built, TOKEN, "-y", "-vvv", "--debug", "--diff")
    files = built.guest(
        f"cd {STATE}; stat -f '%Lp %Su %N' .env credentials; cat .env credentials; ls -A . data/env"
    ).stdout
    assert files.splitlines() == [
        "600 claw .env", "600 claw credentials", f"TOKEN={TOKEN}", f'{{"API": "{TOKEN}"}}',
        ".:", ".env", "credentials", "data", "", "data/env:",
    ]  # fmt: skip
    assert f"{STATE}/data/env/env: must not be there" in said
    assert TOKEN not in plan + said
    assert TOKEN not in shown(built)


def test_the_same_again_changes_nothing(built: Built) -> None:
    place(built, TOKEN, "-y")
    before = built.guest(f"stat -f '%i %m' {STATE}/.env").stdout
    said = place(built, TOKEN, "-y", "-v")
    assert "3 files are as declared" in said
    assert built.guest(f"stat -f '%i %m' {STATE}/.env").stdout == before


def test_what_was_changed_by_hand_comes_back_and_the_guest_cannot_lead_it_astray(
    built: Built,
) -> None:
    place(built, TOKEN, "-y")
    built.guest(f"cd {STATE}; chmod 644 credentials; rm .env; ln -s /etc/planted-victim .env")
    said = place(built, "planted-second-77", "-y", "-vvv")
    assert f"{STATE}/credentials: content, mode 644 -> 600" in said
    assert built.guest(f"cat {STATE}/.env").stdout == "TOKEN=planted-second-77\n"
    assert built.guest("ls /etc/planted-victim").returncode != 0
    for token in (TOKEN, "planted-second-77"):
        assert token not in said
        assert token not in shown(built)


def test_an_agents_user_reads_none_of_it(built: Built) -> None:
    place(built, TOKEN, "-y")
    for name in (".env", "credentials"):
        assert built.guest(f"sudo -u nobody cat {STATE}/{name}").returncode != 0
        assert TOKEN in built.guest(f"sudo -u claw cat {STATE}/{name}").stdout


def test_the_guest_that_is_searched_is_the_one_that_has_them(built: Built) -> None:
    place(built, TOKEN, "-y")
    assert TOKEN in built.guest(f"grep -rsa planted {STATE}").stdout
    assert GUEST in json.dumps(built.lab.calls())
