"""Settings for ssh and kubectl, read back by the real programs where they are at hand."""

from __future__ import annotations

import base64
import shutil
import subprocess
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
import yaml

from clawkeep.hostkeys import HostKey
from clawkeep.model import Service
from clawkeep.render.clients import KNOWN_HOSTS, SSH_CONFIG, client_files
from clawkeep.render.resolver import resolver_files

GATEWAY = IPv4Address("192.168.64.1")
KEY = HostKey("nas", "ssh-ed25519", base64.b64encode(b"key").decode(), "nas.lan:22")
OTHER = HostKey("gone", "ssh-ed25519", base64.b64encode(b"old").decode(), "gone.lan:22")


def service(name: str, port: int, target: str, kind: str, **more: Any) -> Service:
    return Service.model_validate(
        {"name": name, "port": port, "target": target, "kind": kind, **more}
    )


NAS = service("nas", 18022, "nas.lan:22", "ssh")
API = service("true", 16443, "10.0.40.1:6443", "tls", server_name="kubernetes", ca="lan.pem")
VAULT = service("vault", 18443, "vault.lan:443", "tls")


def test_ssh_finds_the_gateway_and_expects_the_services_own_key(tmp_path: Path) -> None:
    ssh = shutil.which("ssh")
    if ssh is None:
        pytest.skip("no ssh on this machine")
    file = tmp_path / "config"
    file.write_text(client_files([NAS], GATEWAY, [KEY])[SSH_CONFIG])
    done = subprocess.run([ssh, "-G", "-F", str(file), "nas"], capture_output=True, text=True,
                          check=True)  # fmt: skip
    options = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert (options["hostname"], options["port"]) == ("192.168.64.1", "18022")
    assert options["hostkeyalias"] == "nas"
    assert options["stricthostkeychecking"] == "true"
    assert options["userknownhostsfile"].endswith("/.ssh/known_hosts_clawkeep")
    assert options["updatehostkeys"] == "false"


def test_only_declared_services_have_a_known_key() -> None:
    text = client_files([NAS], GATEWAY, [KEY, OTHER])[KNOWN_HOSTS]
    assert [line for line in text.splitlines() if not line.startswith("#")] == [KEY.line]


def test_a_service_without_a_pin_has_no_known_key_so_ssh_refuses_it() -> None:
    files = client_files([NAS], GATEWAY, [])
    assert "StrictHostKeyChecking yes" in files[SSH_CONFIG]
    assert "nas" not in files[KNOWN_HOSTS]


def test_an_api_server_gets_a_kubeconfig_that_checks_its_name() -> None:
    files = client_files([API], GATEWAY, cas={"lan.pem": "PEM\n"})
    data = yaml.safe_load(files[".kube/clawkeep-true.yaml"])
    assert data["clusters"] == [
        {
            "name": "true",
            "cluster": {
                "server": "https://192.168.64.1:16443",
                "tls-server-name": "kubernetes",
                "certificate-authority-data": base64.b64encode(b"PEM\n").decode(),
            },
        }
    ]
    assert data["contexts"] == [
        {"name": "true", "context": {"cluster": "true", "user": "true"}},
    ]
    assert data["current-context"] == "true"
    assert files[".config/clawkeep/ca/true.pem"] == "PEM\n"


def test_a_service_that_needs_no_settings_gets_none() -> None:
    assert client_files([VAULT], GATEWAY) == {}


def test_each_declared_name_is_asked_of_the_resolver() -> None:
    files = resolver_files([VAULT, API, NAS], GATEWAY)
    assert sorted(files) == ["/etc/resolver/kubernetes", "/etc/resolver/vault.lan"]
    assert files["/etc/resolver/vault.lan"].splitlines()[1:] == [
        "nameserver 192.168.64.1",
        "port 3053",
    ]
