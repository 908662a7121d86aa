"""What the resolver is told, and that dnsmasq takes it so: every answer is asked of a real one."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from clawkeep.link import Link
from clawkeep.policy import RESOLVER_PORT, Door, Openings
from clawkeep.render.dnsmasq import dnsmasq_conf

DNSMASQ = shutil.which("dnsmasq", path=f"{os.environ['PATH']}:/usr/sbin:/opt/homebrew/sbin")
# A loopback address of its own: the port is every keep's.
LINK = Link("bridge100", IPv4Address("127.0.3.53"), IPv4Network("127.0.3.0/24"),
            IPv4Address("127.0.3.1"))  # fmt: skip
DOORS = (
    Door("vault", 18443, "10.0.30.10", 443, "tls", guest_name="vault.lan"),
    Door("again", 18444, "10.0.30.11", 443, "tls", guest_name="vault.lan"),
    Door("api", 16443, "10.0.40.1", 6443, "tls", guest_name="kubernetes"),
    Door("nas", 18022, "nas.lan", 22, "ssh"),
)
A, TXT, NULL, ANY, AAAA = 1, 16, 10, 255, 28
IN, CHAOS = 1, 3
Ask = Callable[..., tuple[int, list[str]]]


def conf(folder: Path) -> str:
    openings = Openings(doors=DOORS, resolver=True)
    return dnsmasq_conf(openings, LINK, user="nobody", log_dir=str(folder))


def test_each_name_is_told_once_with_the_gateway(tmp_path: Path) -> None:
    told = [line for line in conf(tmp_path).splitlines() if line.startswith("host-record=")]
    assert told == ["host-record=vault.lan,127.0.3.53", "host-record=kubernetes,127.0.3.53"]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    if DNSMASQ is None:
        pytest.skip("no dnsmasq on this machine")
    folder = tmp_path_factory.mktemp("dnsmasq")
    folder.chmod(0o777)
    file = folder / "conf"
    file.write_text(conf(folder))
    command = [DNSMASQ, f"--conf-file={file}"]
    assert subprocess.run([*command, "--test"], check=False).returncode == 0
    process = subprocess.Popen([*command, "--keep-in-foreground"])
    try:
        deadline = time.monotonic() + 10
        while not (folder / "resolver.log").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        yield query
    finally:
        process.terminate()
        process.wait(10)


def query(name: str, kind: int, klass: int = IN, tcp: bool = False) -> tuple[int, list[str]]:
    """Ask; return the code of the answer and its records: addresses, or types with their data."""
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    message = struct.pack("!6H", 7, 0x100, 1, 0, 0, 0) + labels + b"\0"
    message += struct.pack("!HH", kind, klass)
    way = socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM
    with socket.socket(type=way) as line:
        line.settimeout(5)
        line.connect((str(LINK.gateway), RESOLVER_PORT))
        line.send((struct.pack("!H", len(message)) if tcp else b"") + message)
        reply = line.recv(4096)[2 if tcp else 0 :]
    _, flags, _, answers, authorities, additional = struct.unpack_from("!6H", reply)
    assert authorities == additional == 0
    records, place = [], len(message)
    for _ in range(answers):
        found, _, _, length = struct.unpack_from("!HHIH", reply, place + 2)
        data = reply[place + 12 : place + 12 + length]
        records.append(socket.inet_ntoa(data) if found == A else f"{found} {data!r}")
        place += 12 + length
    return flags & 15, records


@pytest.mark.parametrize("tcp", [False, True])
@pytest.mark.parametrize("name", ["vault.lan", "kubernetes", "VAULT.lan"])
def test_a_declared_name_leads_to_the_gateway(ask: Ask, name: str, tcp: bool) -> None:
    assert ask(name, A, tcp=tcp) == (0, ["127.0.3.53"])


@pytest.mark.parametrize("kind", [A, AAAA, TXT, NULL, ANY])
@pytest.mark.parametrize(
    "name", ["sub.vault.lan", "x.kubernetes", "nas.lan", "example.com", "aGVsbG8.tunnel.example",
             "com", "localhost", "1.1.1.1.in-addr.arpa"],
)  # fmt: skip
def test_no_other_name_exists(ask: Ask, name: str, kind: int) -> None:
    assert ask(name, kind) == (3, [])


@pytest.mark.parametrize("kind", [AAAA, TXT, NULL])
def test_of_a_declared_name_nothing_but_its_address_is_known(ask: Ask, kind: int) -> None:
    assert ask("vault.lan", kind) == (0, [])


@pytest.mark.parametrize("name", ["version.bind", "servers.bind", "cachesize.bind"])
def test_it_says_nothing_about_itself(ask: Ask, name: str) -> None:
    code, records = ask(name, TXT, CHAOS)
    assert code != 0
    assert records == []
