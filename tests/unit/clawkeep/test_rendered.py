"""The folder of everything that a declaration is rendered into."""

from __future__ import annotations

import plistlib
import shutil
import subprocess
from pathlib import Path

import pytest

from clawkeep import declared
from clawkeep.model import Keep
from clawkeep.policy import parse_policy
from clawkeep.rendered import main, rendered

SQUID = shutil.which("squid", path="/usr/sbin:/opt/homebrew/sbin")
DNSMASQ = shutil.which("dnsmasq", path="/usr/sbin:/opt/homebrew/sbin")

SERVICES = [
    {"name": "vault", "port": 18443, "target": "vault.example.net:443", "kind": "tls"},
    {"name": "nas", "port": 18022, "target": "10.0.30.20:22", "kind": "ssh"},
]


def keep(**parts: object) -> Keep:
    return Keep.model_validate({"services": SERVICES, **parts})


BY_NAME = keep(
    egress={"mode": "domains", "domains": [".example.org"]}, decisions={"dns": "resolver"}
)


@pytest.mark.usefixtures("project")
def test_the_shipped_declaration_is_written_to_a_folder(tmp_path: Path) -> None:
    main(str(tmp_path / "new"))
    written = {
        str(path.relative_to(tmp_path / "new")): path.read_bytes()
        for path in (tmp_path / "new").rglob("*")
        if path.is_file()
    }
    assert written == rendered(declared.keep())
    policy = parse_policy(written["policy.json"].decode())
    assert policy.digest == declared.keep().digest
    # Nothing of the internet by name, and no resolver: that is what ships.
    assert not {"squid.conf", "dnsmasq.conf"} & written.keys()


def test_every_door_and_every_program_has_its_job() -> None:
    jobs = {
        name: plistlib.loads(text)["Label"]
        for name, text in rendered(BY_NAME).items()
        if name.endswith(".plist")
    }
    assert all(name == f"{label}.plist" for name, label in jobs.items())
    assert set(jobs.values()) == {
        f"com.nanoclaw.{name}" for name in ("vm", "bridge.vault", "bridge.nas", "proxy", "resolver")
    }


def test_what_goes_by_name_is_shown_on_both_sides() -> None:
    files = {name: text.decode() for name, text in rendered(BY_NAME).items()}
    assert "acl listed dstdomain -n .example.org" in files["squid.conf"]
    assert "host-record=vault.example.net,192.168.64.1" in files["dnsmasq.conf"]
    assert "https_proxy=http://192.168.64.1:3128" in files["guest/etc/clawkeep/proxy.env"]
    assert "nameserver 192.168.64.1" in files["guest/etc/resolver/vault.example.net"]
    assert "HostName 192.168.64.1" in files["guest/Users/claw/.ssh/config.d/clawkeep"]


@pytest.mark.skipif(SQUID is None, reason="squid is not installed")
def test_squid_reads_it(tmp_path: Path) -> None:
    conf = tmp_path / "squid.conf"
    conf.write_bytes(rendered(BY_NAME)["squid.conf"])
    done = subprocess.run(
        [str(SQUID), "-k", "parse", "-f", conf], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(DNSMASQ is None, reason="dnsmasq is not installed")
def test_dnsmasq_reads_it(tmp_path: Path) -> None:
    conf = tmp_path / "dnsmasq.conf"
    # It wants to know the user, who is there on the host only.
    conf.write_bytes(rendered(BY_NAME)["dnsmasq.conf"].replace(b"user=_clawkeep", b"user=root"))
    done = subprocess.run(
        [str(DNSMASQ), "--test", f"--conf-file={conf}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
