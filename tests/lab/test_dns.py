"""Names and clients in the guest: what is declared works with the real programs, in both ways of
looking names up, and nothing leaves the keep by a name.

The control of the tunnel is the same questions from a guest without Clawkeep: there every name
server answers, and the LAN's own sees the name.
"""

from __future__ import annotations

import json
import re
import secrets
import subprocess
import time

import pytest

from lab.lab import Lab
from tests.lab.attacks import stands
from tests.lab.attacks.stands import Stand
from tests.lab.conftest import LabStarter
from tests.lab.keep import GUEST, Built, project
from tests.lab.queries import GATEWAY, KINDS, RESOLVER, SERVERS, ask, heard

pytestmark = [pytest.mark.lab, pytest.mark.slow]

PACKAGES = {"packages": ["kubernetes-cli"], "tapped": [], "pip_tools": []}
VAULT = "bitwarden.cstrube.de"
KUBECTL = "/opt/homebrew/bin/kubectl --kubeconfig ~/.kube/clawkeep-kubernetes.yaml"
HOSTKEYS = "/opt/clawkeep/etc/hostkeys"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, lab: Lab) -> Built:
    built = Built(lab, project(tmp_path_factory.mktemp("dns"), PACKAGES))
    ca = built.host("cat /etc/ssl/cert.pem").stdout
    (built.project / "lan-ca.pem").write_text(ca)
    text = (built.project / "allowlist.yml").read_text()
    built.allowlist(re.sub(r"( +)kind: tls\n", r"\1kind: tls\n\1ca: lan-ca.pem\n", text))
    built.converge()
    return built


def decide(built: Built, dns: str) -> None:
    """Declare how names are looked up, and converge."""
    file = built.project / "group_data" / "all.py"
    lines = [line for line in file.read_text().splitlines() if not line.startswith("decisions[")]
    file.write_text("\n".join([*lines, f'decisions["dns"] = "{dns}"']) + "\n")
    built.converge()


@pytest.fixture(scope="module", params=["hosts", "resolver"])
def keep(request: pytest.FixtureRequest, built: Built) -> Built:
    decide(built, request.param)
    return built


@pytest.fixture(scope="module")
def resolving(built: Built) -> Built:
    decide(built, "resolver")
    return built


@pytest.fixture
def unguarded(start_lab: LabStarter) -> Stand:
    return stands.plain_guest(start_lab())


def as_agent(built: Built, script: str) -> subprocess.CompletedProcess[str]:
    """Run a script in the guest as the agent's user."""
    return built.lab.exec(f"guest:{GUEST}", ["/bin/sh", "-c", f"cd; {script}"], user="claw")


def looked_up(built: Built, name: str) -> str:
    """Return the address that libc finds for a name, "" for none."""
    source = f'import socket; print(socket.gethostbyname("{name}"))'
    return as_agent(built, f"/usr/bin/python3 -c '{source}' 2>/dev/null").stdout.strip()


@pytest.mark.parametrize("name", [VAULT, "kubernetes"])
def test_a_declared_name_leads_to_the_gateway(keep: Built, name: str) -> None:
    assert looked_up(keep, name) == GATEWAY


@pytest.mark.parametrize("name", [f"x.{VAULT}", "cstrube.de", "example.com", "truenas-ssh"])
def test_an_undeclared_name_is_not_found(keep: Built, name: str) -> None:
    assert looked_up(keep, name) == ""


def test_curl_reaches_the_vault_by_its_name_and_checks_the_certificate(keep: Built) -> None:
    curl = "curl -sS -m 10 --cacert .config/clawkeep/ca/vaultwarden.pem"
    done = as_agent(keep, f"{curl} https://{VAULT}:18443/alive")
    assert done.stdout == '"2026-11-21T12:00:00.000000Z"', done.stderr
    # The same door under a name that its certificate does not carry.
    assert as_agent(keep, f"{curl} https://kubernetes:18443/alive").returncode == 60


def test_kubectl_reaches_the_api_server_and_checks_its_name(keep: Built) -> None:
    done = as_agent(keep, f"{KUBECTL} --token=x version")
    assert "Server Version: v1.34.1" in done.stdout, done.stderr
    raw = as_agent(keep, f"{KUBECTL} --token=x get --raw /version")
    assert json.loads(raw.stdout)["gitVersion"] == "v1.34.1"
    # Another server of the same CA behind the door would be found out.
    led_astray = f"sed s/16443/18443/ .kube/clawkeep-kubernetes.yaml > astray; {KUBECTL}".replace(
        "~/.kube/clawkeep-kubernetes.yaml", "astray"
    )
    wrong = as_agent(keep, f"{led_astray} --token=x version")
    assert wrong.returncode == 1
    assert f"certificate is valid for {VAULT}, not kubernetes" in wrong.stderr


def test_kubectl_takes_the_users_own_credentials_from_a_file_beside_ours(keep: Built) -> None:
    own = 'users: [{name: kubernetes, user: {token: "abc"}}]'
    done = as_agent(
        keep,
        f"echo '{own}' > own.yaml; KUBECONFIG=.kube/clawkeep-kubernetes.yaml:own.yaml "
        "/opt/homebrew/bin/kubectl version </dev/null",
    )
    assert "Server Version: v1.34.1" in done.stdout, done.stderr


def test_ssh_reaches_the_server_by_its_service_name_and_no_other_key_passes(keep: Built) -> None:
    ssh = "ssh -o BatchMode=yes"
    done = as_agent(keep, f"{ssh} truenas-ssh true")
    # Nobody has an account there: whoever is refused a login has accepted the host key.
    assert "Permission denied (publickey)" in done.stderr
    other = as_agent(
        keep,
        "{ printf 'truenas-ssh '; cat /etc/ssh/ssh_host_ed25519_key.pub; } > other; "
        f"{ssh} -o UserKnownHostsFile=~/other truenas-ssh true",
    )
    assert other.returncode == 255
    assert "Host key verification failed" in other.stderr
    unknown = as_agent(keep, f"{ssh} -o UserKnownHostsFile=/dev/null truenas-ssh true")
    assert "Host key verification failed" in unknown.stderr


def test_the_settings_are_the_users_and_nobody_elses(keep: Built) -> None:
    done = as_agent(
        keep,
        "stat -f '%Su %Lp %N' .ssh/config .ssh/config.d .ssh/config.d/clawkeep .kube "
        ".ssh/known_hosts_clawkeep .kube/clawkeep-kubernetes.yaml; ls -a | grep clawkeep",
    )
    assert done.stdout.splitlines() == [
        "claw 600 .ssh/config",
        "claw 700 .ssh/config.d",
        "claw 600 .ssh/config.d/clawkeep",
        "claw 700 .kube",
        "claw 600 .ssh/known_hosts_clawkeep",
        "claw 600 .kube/clawkeep-kubernetes.yaml",
    ]


def test_a_second_run_changes_neither_names_nor_settings(keep: Built) -> None:
    done = keep.pyinfra("-y", "--data", "phase=network")
    for name in ("names of the services", "names that the resolver knows", "clients know the"):
        assert re.search(rf"Guest \| {name}[a-z ]* +1 +- +- +1 ", done.stderr), done.stderr[-3000:]
    assert re.search(r"Host \| SSH host keys of the services +1 +- +- +1 ", done.stderr)


def test_every_name_server_answers_a_guest_without_clawkeep(unguarded: Stand) -> None:
    token = secrets.token_hex(6)
    found = ask(unguarded.lab, unguarded.vm, token, SERVERS)
    # The names do not exist; that somebody says so is the way out.
    assert found == {f"{way} {kind}": "code 3, 0 records" for way in SERVERS for kind in KINDS} | {
        "libc": "silence"
    }
    asked = {f"{way}-{kind.lower()}" for way in SERVERS for kind in KINDS} | {"libc"}
    assert heard(unguarded.lab, token) == asked


def test_no_question_leaves_the_keep_in_either_way(keep: Built) -> None:
    token = secrets.token_hex(6)
    found = ask(keep.lab, GUEST, token, SERVERS)
    assert found == dict.fromkeys(found, "silence")
    assert heard(keep.lab, token) == set()


def test_the_resolver_knows_of_no_other_name_whatever_is_asked(resolving: Built) -> None:
    token = secrets.token_hex(6)
    found = ask(resolving.lab, GUEST, token, RESOLVER)
    assert found == {f"{way} {kind}": "code 3, 0 records" for way in RESOLVER for kind in KINDS} | {
        "libc": "silence"
    }
    assert heard(resolving.lab, token) == set()
    # It did hear them: they are in its own log.
    assert token in resolving.host("cat /var/log/clawkeep/resolver.log").stdout


def test_the_resolver_is_unprivileged_and_listens_on_the_gateway_alone(resolving: Built) -> None:
    lines = resolving.host("lsof -nP -iUDP:3053 -iTCP:3053").stdout.splitlines()[1:]
    assert {(line.split()[2], line.split()[8]) for line in lines} == {
        ("_clawkeep", f"{GATEWAY}:3053")
    }
    assert len(lines) == 2


def test_dnsmasq_itself_judges_a_configuration_before_it_is_in_place(resolving: Built) -> None:
    judge = (
        "import sys; sys.path.insert(0, '/opt/clawkeep/lib'); from pathlib import Path; "
        "from clawkeep.onhost.resolver import problem; "
        "print(problem(Path('/tmp/conf'), '_clawkeep'))"
    )
    run = f'/opt/clawkeep/python/bin/python3 -I -c "{judge}"'
    resolving.host("cp /opt/clawkeep/etc/dnsmasq.conf /tmp/conf")
    assert resolving.host(run).stdout == "None\n"
    assert "bad option" in resolving.host(f"echo nonsense=1 >> /tmp/conf; {run}").stdout


def test_a_resolver_that_was_killed_comes_back(resolving: Built) -> None:
    assert resolving.host("pkill -KILL -u _clawkeep dnsmasq").returncode == 0
    deadline = time.monotonic() + 30
    while looked_up(resolving, VAULT) != GATEWAY:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_back_in_the_hosts_file_nothing_is_left_of_the_resolver(resolving: Built) -> None:
    assert "clawkeep" not in resolving.guest("cat /etc/hosts").stdout
    assert resolving.guest("ls /etc/resolver").stdout.split() == [VAULT, "kubernetes"]
    resolving.guest("echo nameserver 10.0.0.9 > /etc/resolver/corp.example")
    decide(resolving, "hosts")
    assert looked_up(resolving, VAULT) == GATEWAY
    assert resolving.guest("ls /etc/resolver").stdout.split() == ["corp.example"]
    left = resolving.host(
        "launchctl print system/com.nanoclaw.resolver; ls /opt/clawkeep/etc/dnsmasq.conf "
        "/Library/LaunchDaemons/com.nanoclaw.resolver.plist; lsof -nP -i:3053; "
        "pfctl -a com.apple/000.clawkeep -sr 2>/dev/null | grep 3053"
    )
    assert left.stdout == ""


def test_a_host_key_that_changed_ends_the_run_and_replaces_nothing(built: Built) -> None:
    folder = built.lab.state.folder / "certificates"
    pinned = built.host(f"cat {HOSTKEYS}").stdout
    true_key = (folder / "truenas_ssh").read_bytes()
    (folder / "truenas_ssh").write_bytes((folder / "forbidden_ssh").read_bytes())
    try:
        done = built.pyinfra("-y", "--data", "phase=network")
        assert done.returncode == 1
        assert re.search(
            r"truenas-ssh at 10\.0\.30\.20:22 shows another SSH host key: pinned is "
            r"ssh-ed25519 SHA256:\S+, seen is ssh-ed25519 SHA256:\S+\. ",
            done.stderr,
        )
        assert built.host(f"cat {HOSTKEYS}").stdout == pinned
        refused = as_agent(built, "ssh -o BatchMode=yes truenas-ssh true")
        assert "Host key verification failed" in refused.stderr
    finally:
        (folder / "truenas_ssh").write_bytes(true_key)
    built.converge("--data", "phase=network")


def test_the_users_own_settings_stay_byte_by_byte_when_the_service_goes(built: Built) -> None:
    own = "Host mine\n  User me"
    as_agent(built, f"printf '%s' '{own}' > .ssh/config; touch .kube/config")
    built.converge("--data", "phase=network")
    assert as_agent(built, "cat .ssh/config").stdout == f"Include config.d/clawkeep\n{own}"
    declared = (built.project / "allowlist.yml").read_text()
    kept = "\n".join(part for part in declared.split("\n\n") if "name: truenas-ssh" not in part)
    built.allowlist(kept.replace(":6443", ":6444"))
    built.converge("--data", "phase=network")
    assert as_agent(built, "cat .ssh/config").stdout == own
    left = "ls -A .ssh/config.d .kube | grep -c clawkeep; ls .kube/config"
    assert as_agent(built, left).stdout.split() == ["0", ".kube/config"]
