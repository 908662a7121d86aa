"""The gateway's port 53: what mDNSResponder's DNSProxy is on a Mac.

It forwards whatever a guest asks to the host's own resolver, so it is a way out of a guest unless
something filters it. Source: reference/macos.md §1.4.
"""

from __future__ import annotations

import contextlib
import socket
import threading

RESOLV_CONF = "/etc/resolv.conf"
FALLBACK = "10.0.10.1"
TIMEOUT_S = 5.0


def upstream() -> str:
    """Return the first name server of the host."""
    with contextlib.suppress(OSError), open(RESOLV_CONF, encoding="ascii") as file:
        for line in file:
            words = line.split()
            if words[:1] == ["nameserver"] and len(words) > 1:
                return words[1]
    return FALLBACK


class DnsProxy:
    """Answers on `address`:53, UDP and TCP, from `start` to `stop`."""

    def __init__(self, address: str, port: int = 53) -> None:
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        for one in (self._udp, self._tcp):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind((address, port))
        self._tcp.listen(16)
        self._stopped = False

    def start(self) -> None:
        """Begin to answer, in threads of its own."""
        threading.Thread(target=self._serve_udp, daemon=True).start()
        threading.Thread(target=self._serve_tcp, daemon=True).start()

    def stop(self) -> None:
        """Give the port back; the threads end by themselves."""
        self._stopped = True
        for one in (self._udp, self._tcp):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _serve_udp(self) -> None:
        while True:
            try:
                question, client = self._udp.recvfrom(4096)
            except OSError:
                return
            if self._stopped:
                return
            threading.Thread(target=self._forward_udp, args=(question, client), daemon=True).start()

    def _forward_udp(self, question: bytes, client: tuple[str, int]) -> None:
        with contextlib.suppress(OSError), socket.socket(type=socket.SOCK_DGRAM) as out:
            out.settimeout(TIMEOUT_S)
            out.connect((upstream(), 53))
            out.send(question)
            self._udp.sendto(out.recv(4096), client)

    def _serve_tcp(self) -> None:
        while True:
            try:
                client, _ = self._tcp.accept()
            except OSError:
                return
            threading.Thread(target=self._forward_tcp, args=(client,), daemon=True).start()

    def _forward_tcp(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            client.settimeout(TIMEOUT_S)
            with socket.create_connection((upstream(), 53), TIMEOUT_S) as out:
                pump = threading.Thread(target=_copy, args=(out, client), daemon=True)
                pump.start()
                _copy(client, out)
                pump.join(TIMEOUT_S)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(4096):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
