"""Questions of a guest to every name server there is, and who heard them."""

from __future__ import annotations

import json
import re
from typing import Any

from lab.lab import Lab

GATEWAY = "192.168.64.1"

# Each question with a name of its own, so that a journal can tell which of them got through.
ASK = r"""
import json, socket, struct, sys

def ask(name, kind, server, port, tcp):
    labels = b"".join(bytes([len(p)]) + p.encode() for p in name.split("."))
    query = struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", kind, 1)
    with socket.socket(type=socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM) as line:
        line.settimeout(3)
        try:
            line.connect((server, port))
            line.sendall((struct.pack(">H", len(query)) if tcp else b"") + query)
            reply = line.recv(4096)[2 if tcp else 0:]
        except OSError as error:
            return "silence"
    return "code %d, %d records" % (reply[3] & 15, struct.unpack_from(">H", reply, 6)[0])

found = {}
for way, (server, port, tcp) in json.loads(sys.argv[2]).items():
    for kind, number in {"A": 1, "TXT": 16, "NULL": 10, "ANY": 255}.items():
        name = "%s-%s.%s" % (way, kind.lower(), sys.argv[1])
        found["%s %s" % (way, kind)] = ask(name, number, server, port, tcp)
try:
    found["libc"] = str(socket.getaddrinfo("libc." + sys.argv[1], 443))
except socket.gaierror:
    found["libc"] = "silence"
print(json.dumps(found))
"""
SERVERS = {
    "gateway": (GATEWAY, 53, False),
    "gateway-tcp": (GATEWAY, 53, True),
    "lan": ("10.0.10.1", 53, False),
    "lan-tcp": ("10.0.10.1", 53, True),
    "internet": ("1.1.1.1", 53, False),
}
RESOLVER = {"resolver": (GATEWAY, 3053, False), "resolver-tcp": (GATEWAY, 3053, True)}
KINDS = ("A", "TXT", "NULL", "ANY")


def ask(lab: Lab, vm: str, token: str, servers: dict[str, Any]) -> dict[str, str]:
    """Ask every server for names below `token`.example, and libc for one."""
    words = ["/usr/bin/python3", "-c", ASK, f"{token}.example", json.dumps(servers)]
    done = lab.exec(f"guest:{vm}", words, timeout=120)
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


def heard(lab: Lab, token: str) -> set[str]:
    """Return the first label of each name below `token` that a name server outside was asked."""
    logs = [lab.state.folder / "log" / f"{place}.jsonl" for place in ("lan", "internet")]
    text = "".join(log.read_text() for log in logs)
    return set(re.findall(rf'"([a-z-]+)\.{token}\.example"', text))
