"""What an attacker who is root in the guest sends. Runs there, on the system's own Python 3.9.

stdin: {name: [function, arguments]} as JSON; stdout: {name: what went wrong in sending, or null}.
Frames are written by hand, with their own Ethernet and IP headers, so that no kernel of the guest
mends them (`AF_PACKET`; on a Mac /dev/bpf). An attack that cannot be sent is an error: it must not
pass for one that was held.
Source: lab/facts/tart.md, "What a guest's root can do".
"""

from __future__ import annotations

import errno
import json
import socket
import struct
import subprocess
import sys
import time
from typing import Any

HELD = (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ETIMEDOUT,
        errno.ECONNRESET, errno.EPERM)  # fmt: skip
FLAGS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16, "U": 32}
NOISE = b"what must not leave " * 2


def run(command: str) -> str:
    done = subprocess.run(
        ["/bin/sh", "-c", "PATH=/sbin:/usr/sbin:/bin:/usr/bin; " + command],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stdout}")
    return done.stdout


class Wire:
    """The guest's interface: its addresses, the gateway's, and frames of one's own."""

    def __init__(self) -> None:
        words = run("ifconfig en0").split()
        self.mac = words[words.index("ether") + 1]
        self.address = words[words.index("inet") + 1]
        self.gateway = run("route -n get default").split("gateway: ")[1].split()[0]
        self.gateway_mac = self._gateway_mac()
        self.line = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self.line.bind(("en0", 0))

    def _gateway_mac(self) -> str:
        for _ in range(50):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.sendto(b"", (self.gateway, 9))
            found = run("arp -an").split(f"({self.gateway}) at ")
            if len(found) == 2 and ":" in found[1].split()[0]:
                return found[1].split()[0]
            time.sleep(0.1)
        raise RuntimeError("the gateway's hardware address is unknown")

    def send(self, packet: bytes, kind: int = 0x0800, mac: str = "", to: str = "") -> None:
        ends = octets(to or self.gateway_mac) + octets(mac or self.mac)
        self.line.send(ends + struct.pack("!H", kind) + packet)

    def send4(self, to: str, protocol: int, body: bytes, **header: Any) -> None:
        packet = ip4(header.pop("source", self.address), to, protocol, body, **header)
        self.send(packet, to=multicast_mac(to))

    def send6(self, to: str, following: int, body: bytes) -> None:
        source = socket.inet_pton(socket.AF_INET6, link_local(self.mac))
        target = socket.inet_pton(socket.AF_INET6, to)
        pseudo = source + target + struct.pack("!II", len(body), following)
        at = {58: 2, 17: 6, 6: 16}[following]
        body = body[:at] + checksum(pseudo + body) + body[at + 2 :]
        mac = "33:33:" + target[12:].hex(":") if target[0] == 0xFF else ""
        head = struct.pack("!IHBB", 6 << 28, len(body), following, 255)
        self.send(head + source + target + body, 0x86DD, to=mac)


def octets(mac: str) -> bytes:
    return bytes(int(part, 16) for part in mac.split(":"))


def multicast_mac(address: str) -> str:
    if address.endswith(".255"):
        return "ff:ff:ff:ff:ff:ff"
    a, b, c, d = (int(part) for part in address.split("."))
    return f"1:0:5e:{b & 127:x}:{c:x}:{d:x}" if 224 <= a < 240 else ""


def link_local(mac: str) -> str:
    o = octets(mac)
    return f"fe80::{o[0] ^ 2:02x}{o[1]:02x}:{o[2]:02x}ff:fe{o[3]:02x}:{o[4]:02x}{o[5]:02x}"


def checksum(data: bytes) -> bytes:
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total >> 16) + (total & 0xFFFF)
    return struct.pack("!H", ~total & 0xFFFF)


def ip4(source: str, to: str, protocol: int, body: bytes, options: bytes = b"",
        offset: int = 0, more: bool = False, number: int = 77) -> bytes:  # fmt: skip
    words = 5 + len(options) // 4
    ends = socket.inet_aton(source) + socket.inet_aton(to)
    head = struct.pack("!BBHHHBB", 64 | words, 0, words * 4 + len(body), number,
                       more << 13 | offset // 8, 64, protocol)  # fmt: skip
    return head + checksum(head + b"\0\0" + ends + options) + ends + options + body


def udp(port: int, data: bytes = NOISE, source: int = 4000) -> bytes:
    return struct.pack("!HHHH", source, port, 8 + len(data), 0) + data


def tcp(port: int, flags: str, ends: tuple[str, str] | None, source: int = 4000) -> bytes:
    bits = sum(FLAGS[flag] for flag in flags)
    part = struct.pack("!HHIIBBHHH", source, port, 7, 0, 5 << 4, bits, 1024, 0, 0)
    if ends is None:
        return part
    pseudo = socket.inet_aton(ends[0]) + socket.inet_aton(ends[1]) + struct.pack("!HH", 6, 20)
    return part[:16] + checksum(pseudo + part) + part[18:]


# The attacks. Each takes the wire and its row's arguments.


def datagram(wire: Wire, to: str, port: int, source: int = 4000, pretend: str = "") -> None:
    wire.send4(to, 17, udp(port, source=source), source=pretend or wire.address)


def segment(wire: Wire, to: str, port: int, flags: str, source: int = 4000,
            pretend: str = "") -> None:  # fmt: skip
    sender = pretend or wire.address
    wire.send4(to, 6, tcp(port, flags, (sender, to), source), source=sender)


def other_mac(wire: Wire, to: str, port: int) -> None:
    wire.send(ip4(wire.address, to, 17, udp(port)), mac="02:00:00:00:00:42")


def connect(wire: Wire, to: str, port: int, source: str = "") -> None:
    with socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET) as s:
        s.settimeout(0.3)
        if source:
            s.bind((source, 0))
        try:
            s.connect(socket.getaddrinfo(to, port, s.family)[0][4])
        except socket.timeout:  # noqa: UP041 - no TimeoutError in 3.9
            pass
        except OSError as error:
            if error.errno not in HELD:
                raise


def changed(wire: Wire, before: str, after: str, to: str, port: int, source: str = "") -> None:
    """Change the interface by the system's own commands, connect, and put it back."""
    facts = {"mac": wire.mac, "address": wire.address, "gateway": wire.gateway,
             "gateway_mac": wire.gateway_mac}  # fmt: skip
    try:
        run(before.format(**facts))
        connect(wire, to, port, source)
    finally:
        run(after.format(**facts))


def fragments(wire: Wire, to: str, port: int, protocol: int, pieces: list[list[int]],
              decoy: int = 0, source: int = 4000) -> None:  # fmt: skip
    """Send bytes start to end of one packet, in this order; [start, end, 1] are a decoy's."""
    number = int(time.time() * 1000) & 0xFFFF
    for start, end, *false in pieces:
        ends = decoy if false else port
        data = udp(ends) if protocol == 17 else tcp(ends, "S", (wire.address, to), source)
        more = end < len(data)
        wire.send4(to, protocol, data[start:end], offset=start, more=more, number=number)


def protocol(wire: Wire, to: str, number: int) -> None:
    wire.send4(to, number, NOISE)


def icmp(wire: Wire, to: str, kind: int, code: int = 0) -> None:
    rest = struct.pack("!I", 0x00070001) + NOISE
    if kind in {3, 5, 11}:
        quoted = ip4(wire.address, to, 17, udp(53, b""))
        rest = (socket.inet_aton(wire.address) if kind == 5 else bytes(4)) + quoted
    part = struct.pack("!BBH", kind, code, 0) + rest
    wire.send4(to, 1, part[:2] + checksum(part) + part[4:])


def options(wire: Wire, to: str, port: int, kind: int, through: str = "") -> None:
    """131 and 137: loose and strict source route; 7: record route; 68: timestamps; 148: alert."""
    if kind == 148:
        text = bytes([148, 4, 0, 0])
    elif kind == 68:
        text = bytes([68, 8, 5, 0, 0, 0, 0, 0])
    else:
        text = bytes([kind, 7, 4]) + socket.inet_aton(through or "0.0.0.0") + b"\0"
    wire.send4(to, 17, udp(port), options=text)


def dhcp(wire: Wire, to: str) -> None:
    head = struct.pack("!BBBBI", 1, 1, 6, 0, 0x1234) + bytes(20) + octets(wire.mac) + bytes(10)
    body = head + bytes(192) + b"\x63\x82\x53\x63\x35\x01\x01"
    body += bytes([224, len(NOISE)]) + NOISE + b"\xff"
    wire.send4(to, 17, udp(67, body, 68))


def datagram6(wire: Wire, to: str, port: int) -> None:
    wire.send6(to, 17, udp(port))


def syn6(wire: Wire, to: str, port: int, source: int) -> None:
    wire.send6(to, 6, tcp(port, "S", None, source))


def advertise_router(wire: Wire) -> None:
    prefix = struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 86400, 86400, 0)
    prefix += socket.inet_pton(socket.AF_INET6, "2001:db8:bad::")
    wire.send6("ff02::1", 58, struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0) + prefix)


def advertise_neighbour(wire: Wire) -> None:
    target = socket.inet_pton(socket.AF_INET6, "fe80::bad")
    own = struct.pack("!BB", 2, 1) + octets(wire.mac)
    wire.send6("ff02::1", 58, struct.pack("!BBHI", 136, 0, 0, 0x20000000) + target + own)


def sweep(wire: Wire, to: str, first: int, last: int, source: int) -> None:
    """Knock at every port, TCP and UDP."""
    for port in range(first, last + 1):
        segment(wire, to, port, "S", source)
        datagram(wire, to, port, source)


def knock(wire: Wire, to: str, port: int, times: int) -> None:
    """Begin so many connections to one port, and end none."""
    for source in range(20000, 20000 + times):
        segment(wire, to, port, "S", source)


def main() -> None:
    wire = Wire()
    said: dict[str, str | None] = {}
    for name, (function, arguments) in json.load(sys.stdin).items():
        try:
            globals()[function](wire, **arguments)
            said[name] = None
        except Exception as error:  # noqa: BLE001 - said, and a failure of the test
            said[name] = f"{type(error).__name__}: {error}"
    print(json.dumps(said))


if __name__ == "__main__":
    main()
