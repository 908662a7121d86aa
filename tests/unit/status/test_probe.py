"""The probes that run in the guest, against real servers; each with the way to make it fail."""

from __future__ import annotations

import ast
import contextlib
import datetime
import ipaddress
import json
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from clawkeep.status import probe

Serve = Callable[[socket.socket], None]


@contextlib.contextmanager
def server(serve: Serve) -> Iterator[int]:
    """Serve each connection to a port of 127.0.0.1 with `serve`; yield the port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def handle(sock: socket.socket) -> None:
        with contextlib.suppress(OSError), sock:
            serve(sock)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=handle, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()


def _wait(silence: threading.Event) -> None:
    silence.wait(5)


def ask(kind: str, port: int, timeout_s: float = 3, **question: Any) -> dict[str, Any]:
    """Return what one probe answers."""
    results: dict[str, dict[str, Any]] = {}
    text: dict[str, Any] = {"name": "x", "kind": kind, "port": port, "host": "127.0.0.1"}
    text |= {"server_name": None, "ca": None} | question
    probe.probe(text, timeout_s, results)  # type: ignore[no-untyped-call]
    assert results["x"]["ms"] >= 0
    return results["x"]


class Authority:
    """A certificate authority, and servers with its certificates."""

    def __init__(self, name: str, folder: Path) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._sign(self.name, self.key, None, ca=True)
        self.pem = self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        names: list[x509.GeneralName] | None,
        *,
        ca: bool = False,
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def serve(self, *names: x509.GeneralName) -> Serve:
        """Return a TLS server whose certificate carries `names`."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a server")])
        path = self.folder / f"{id(key)}.pem"
        path.write_bytes(
            self._sign(subject, key, list(names)).public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)

        def serve(sock: socket.socket) -> None:
            with context.wrap_socket(sock, server_side=True) as secure:
                secure.recv(1)

        return serve


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority("the keep's CA", tmp_path_factory.mktemp("ca"))


NAME = x509.DNSName("vault.example")


def test_tls_shows_the_name_that_the_certificate_carries(authority: Authority) -> None:
    with server(authority.serve(NAME, x509.DNSName("www.vault.example"))) as port:
        answer = ask("tls", port, server_name="vault.example", ca=authority.pem)
    assert answer["ok"] is True
    assert answer["evidence"] == "TLSv1.3, certificate for vault.example, www.vault.example"


def test_tls_verifies_an_address_too(authority: Authority) -> None:
    with server(authority.serve(x509.IPAddress(ipaddress.ip_address("10.0.40.100")))) as port:
        assert ask("tls", port, server_name="10.0.40.100", ca=authority.pem)["ok"] is True
        assert ask("tls", port, server_name="10.0.40.101", ca=authority.pem)["ok"] is False


def test_another_name_in_the_certificate_does_not_pass(authority: Authority) -> None:
    with server(authority.serve(x509.DNSName("other.example"))) as port:
        answer = ask("tls", port, server_name="vault.example", ca=authority.pem)
    assert answer["ok"] is False
    assert "vault.example" in answer["evidence"]
    assert "SSLCertVerificationError" in answer["evidence"]


def test_an_authority_that_is_not_trusted_does_not_pass(
    authority: Authority, tmp_path: Path
) -> None:
    with server(Authority("somebody else", tmp_path).serve(NAME)) as port:
        answer = ask("tls", port, server_name="vault.example", ca=authority.pem)
    assert answer["ok"] is False
    assert "CERTIFICATE_VERIFY_FAILED" in answer["evidence"]


def test_without_a_private_authority_the_systems_are_asked(authority: Authority) -> None:
    with server(authority.serve(NAME)) as port:
        answer = ask("tls", port, server_name="vault.example", ca=None)
    assert answer["ok"] is False
    assert "CERTIFICATE_VERIFY_FAILED" in answer["evidence"]


@pytest.mark.parametrize("status", ["200 OK", "401 Unauthorized", "502 Bad Gateway"])
def test_any_http_status_is_the_service_speaking(status: str) -> None:
    heard: list[bytes] = []

    def serve(sock: socket.socket) -> None:
        heard.append(sock.recv(4096))
        sock.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())

    with server(serve) as port:
        answer = ask("http", port)
    assert (answer["ok"], answer["evidence"]) == (True, f"HTTP/1.1 {status}")
    assert heard == [
        f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode()
    ]


def test_a_banner_of_ssh_is_shown() -> None:
    with server(lambda sock: sock.sendall(b"SSH-2.0-OpenSSH_9.7\r\n")) as port:
        answer = ask("ssh", port)
    assert (answer["ok"], answer["evidence"]) == (True, "SSH-2.0-OpenSSH_9.7")


@pytest.mark.parametrize("kind", ["http", "ssh"])
def test_another_protocol_does_not_pass(kind: str) -> None:
    with server(lambda sock: sock.sendall(b"220 mail.example ESMTP\r\n")) as port:
        answer = ask(kind, port)
    assert answer["ok"] is False
    assert "220 mail.example ESMTP" in answer["evidence"]


@pytest.mark.parametrize("kind", ["tls", "http", "ssh", "tcp"])
def test_a_bridge_that_accepts_and_then_closes_does_not_pass(
    kind: str, authority: Authority
) -> None:
    with server(lambda sock: None) as port:
        answer = ask(kind, port, server_name="vault.example", ca=authority.pem)
    assert answer["ok"] is False
    assert answer["evidence"]


@pytest.mark.parametrize("kind", ["tls", "http", "ssh"])
def test_a_service_that_says_nothing_does_not_pass(kind: str, authority: Authority) -> None:
    silence = threading.Event()
    with server(lambda sock: _wait(silence)) as port:
        answer = ask(kind, port, timeout_s=0.2, server_name="vault.example", ca=authority.pem)
    silence.set()
    assert answer["ok"] is False
    assert "timed out" in answer["evidence"]


def test_a_plain_connection_that_is_held_passes() -> None:
    silence = threading.Event()
    with server(lambda sock: _wait(silence)) as port:
        answer = ask("tcp", port)
    silence.set()
    assert (answer["ok"], answer["evidence"]) == (True, "connected")


def test_a_plain_service_that_speaks_first_passes() -> None:
    with server(lambda sock: sock.sendall(b"hello")) as port:
        assert ask("tcp", port)["ok"] is True


@pytest.mark.parametrize("kind", ["tls", "http", "ssh", "tcp"])
def test_a_port_where_nobody_listens_does_not_pass(kind: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    answer = ask(kind, port)
    assert answer["ok"] is False
    assert "refused" in answer["evidence"]


def test_a_guest_without_a_route_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = subprocess.CompletedProcess([], 1, stdout="route: writing to routing socket\n")
    monkeypatch.setattr("clawkeep.status.probe.subprocess.run", lambda *a, **k: nothing)
    answer = ask("ssh", 1, host=None)
    assert answer["evidence"] == "OSError: the guest has no default route"


def test_the_gateway_is_where_the_default_route_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        "   route to: default\ndestination: default\n    gateway: 192.168.64.1\n  interface: en0\n"
    )
    found = subprocess.CompletedProcess([], 0, stdout=text)
    monkeypatch.setattr("clawkeep.status.probe.subprocess.run", lambda *a, **k: found)
    found_at = probe.gateway()  # type: ignore[no-untyped-call]
    assert found_at == "192.168.64.1"


def test_all_are_probed_at_once_as_a_program_on_stdin() -> None:
    silence = threading.Event()
    with (
        server(lambda sock: sock.sendall(b"SSH-2.0-x\r\n")) as good,
        server(lambda sock: _wait(silence)) as slow,
    ):
        questions = [
            {"name": f"s{n}", "kind": "ssh", "port": port, "host": "127.0.0.1",
             "server_name": None, "ca": None}
            for n, port in enumerate([good, slow, slow, slow, good])
        ]  # fmt: skip
        source = Path(probe.__file__).read_text()
        done = subprocess.run(
            [sys.executable, "-I", "-"],
            input=f"{source}\nmain({json.dumps(questions)!r}, 0.5)\n",
            capture_output=True,
            text=True,
            check=True,
            timeout=5,
        )
    silence.set()
    answers = json.loads(done.stdout)
    assert {name: answer["ok"] for name, answer in answers.items()} == {
        "s0": True, "s1": False, "s2": False, "s3": False, "s4": True,
    }  # fmt: skip
    assert all(answers[f"s{n}"]["ms"] < 1500 for n in range(5))


def test_it_needs_nothing_newer_than_the_guests_python() -> None:
    for module in ("clawkeep/status/probe.py", "roles/base/guest/accounts.py"):
        source = (Path(__file__).resolve().parents[3] / module).read_text()
        tree = ast.parse(source, feature_version=(3, 9))
        names = {n.id for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler)
                 for n in ast.walk(node) if isinstance(n, ast.Name)}  # fmt: skip
        # socket.timeout became TimeoutError in 3.10 only.
        assert "TimeoutError" not in names
