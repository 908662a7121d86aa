"""Whom the lab's mDNSResponder asks for a name, and what it says when nobody answers."""

from __future__ import annotations

import socket
import struct
import threading
from pathlib import Path

import pytest

from lab.mac.macos import namelookup
from lab.mac.macos.namelookup import answer, client_for

RESOLV = "nameserver 192.168.64.1\n"


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    folder = tmp_path / "resolver"
    folder.mkdir()
    announced = tmp_path / "resolv.conf"
    announced.write_text(RESOLV)
    return folder, announced


def query(name: str) -> bytes:
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return struct.pack("!6H", 7, 0x100, 1, 0, 0, 0) + labels + b"\0\0\1\0\1"


def test_a_file_of_resolver_5_is_for_its_domain_and_all_below(files: tuple[Path, Path]) -> None:
    folder, announced = files
    (folder / "vault.lan").write_text("# ours\nnameserver 10.0.0.9\nport 3053\n")
    (folder / "lan").write_text("nameserver 10.0.0.8\n")
    for name, server in {
        "vault.lan": "10.0.0.9",
        "x.vault.lan": "10.0.0.9",
        "other.lan": "10.0.0.8",
        "avault.lan": "10.0.0.8",
        "example.com": "192.168.64.1",
    }.items():
        assert client_for(name, folder, announced).servers == [server], name
    assert client_for("vault.lan", folder, announced).port == 3053


def test_the_domain_may_be_said_inside(files: tuple[Path, Path]) -> None:
    folder, announced = files
    (folder / "any-name").write_text("domain corp.lan\nnameserver 10.0.0.9 ; it\n")
    assert client_for("x.corp.lan", folder, announced).servers == ["10.0.0.9"]
    assert client_for("any-name", folder, announced).servers == ["192.168.64.1"]


def test_the_one_it_names_is_asked_and_its_words_are_the_answer(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, announced = files
    with socket.socket(type=socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)

        def serve() -> None:
            asked, client = server.recvfrom(512)
            server.sendto(b"reply to " + asked[:2], client)

        threading.Thread(target=serve, daemon=True).start()
        port = server.getsockname()[1]
        (folder / "vault.lan").write_text(f"nameserver 127.0.0.1\nport {port}\n")
        monkeypatch.setattr(namelookup, "client_for", lambda n: client_for(n, folder, announced))
        assert answer(query("VAULT.lan"), tcp=False) == b"reply to \0\7"


def test_a_server_that_refuses_is_a_failure_at_once(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, announced = files
    with socket.socket(type=socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "vault.lan").write_text(f"nameserver 127.0.0.1\nport {port}\n")
    monkeypatch.setattr(namelookup, "client_for", lambda n: client_for(n, folder, announced))
    reply = answer(query("vault.lan"), tcp=False)
    assert reply[3] & 15 == namelookup.SERVFAIL
    assert reply[12:] == query("vault.lan")[12:]


def test_local_names_are_multicasts() -> None:
    assert answer(query("printer.local"), tcp=False)[3] & 15 == namelookup.NXDOMAIN
