"""Probes that run in a guest: each says whether something answered, and cannot be silent."""

from __future__ import annotations

import json
from typing import Any

from lab.lab import Lab

#: Runs on the guest's own Python. A probe returns True (answered), False (did not); an error of the
#: probe itself is a string, which no test takes for a denial.
SOURCE = r"""
import errno, json, socket, struct, subprocess, sys, threading

DENIED = (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ETIMEDOUT, errno.EACCES,
          errno.EPERM, errno.ECONNRESET)

def tcp(host, port, banner=False):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if family == socket.AF_INET6:
        target = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)[0][4]
    else:
        target = (host, port)
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.settimeout(3)
        try:
            s.connect(target)
        except socket.timeout:
            return False
        except OSError as e:
            if e.errno in DENIED:
                return False
            raise
        return s.recv(4) == b"SSH-" if banner else True

def dns(server, transport, name="example.com"):
    query = struct.pack(">HHHHHH", 4711, 0x100, 1, 0, 0, 0)
    query += b"".join(bytes([len(p)]) + p.encode() for p in name.split(".")) + b"\0"
    query += struct.pack(">HH", 1, 1)
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as s:
        s.settimeout(3)
        try:
            s.connect((server, 53))
            s.sendall(query if transport == "udp" else struct.pack(">H", len(query)) + query)
            return len(s.recv(512)) > 12
        except socket.timeout:
            return False
        except OSError as e:
            if e.errno in DENIED:
                return False
            raise

def ping(host):
    r = subprocess.run(["/sbin/ping", "-c", "1", "-t", "3", host], capture_output=True, text=True)
    if "packets transmitted" not in r.stdout:
        raise RuntimeError(r.stdout + r.stderr)
    return r.returncode == 0

def name(host, port):
    try:
        address = socket.getaddrinfo(host, port, socket.AF_INET)[0][4][0]
    except socket.gaierror:
        return False
    return tcp(address, port)

def run(key, what, args, results):
    try:
        results[key] = {"tcp": tcp, "dns": dns, "ping": ping, "name": name}[what](*args)
    except Exception as e:
        results[key] = "%s: %s" % (type(e).__name__, e)

probes = json.loads(PROBES)
results = {}
threads = [threading.Thread(target=run, args=(k, w, a, results)) for k, (w, a) in probes.items()]
[t.start() for t in threads]; [t.join() for t in threads]
print(json.dumps(results))
"""

Probe = tuple[str, list[Any]]


def probe(lab: Lab, vm: str, probes: dict[str, Probe]) -> dict[str, bool | str]:
    """Run the probes in the guest; True is answered, False is not, a string is a broken probe."""
    source = f"PROBES = {json.dumps(probes)!r}\n{SOURCE}"
    done = lab.exec(f"guest:{vm}", ["/usr/bin/python3", "-c", source])
    assert done.returncode == 0, done.stderr
    results: dict[str, bool | str] = json.loads(done.stdout)
    return results


def forbidden(gateway: str, gateway6: str, neighbour: str) -> dict[str, Probe]:
    """Return everything that a keep's guest must not reach, and an unguarded guest does."""
    return {
        "internet by address": ("tcp", ["1.1.1.1", 443]),
        "internet by name": ("name", ["example.com", 443]),
        "DNS over UDP at 1.1.1.1": ("dns", ["1.1.1.1", "udp"]),
        "DNS over TCP at 1.1.1.1": ("dns", ["1.1.1.1", "tcp"]),
        "DNS over UDP at the gateway": ("dns", [gateway, "udp"]),
        "DNS over TCP at the gateway": ("dns", [gateway, "tcp"]),
        "ping to the internet": ("ping", ["1.1.1.1"]),
        "ping to the LAN": ("ping", ["10.0.30.99"]),
        "ping to the gateway": ("ping", [gateway]),
        "another LAN host, SSH": ("tcp", ["10.0.30.99", 22]),
        "another LAN host, web": ("tcp", ["10.0.30.99", 80]),
        "Home Assistant directly": ("tcp", ["10.0.30.5", 8123]),
        "Kubernetes directly": ("tcp", ["10.0.40.100", 6443]),
        "TrueNAS directly": ("tcp", ["10.0.30.20", 22]),
        "Vaultwarden directly": ("tcp", ["10.0.30.10", 443]),
        "the host's sshd at the gateway": ("tcp", [gateway, 22]),
        "the host's sshd at its LAN address": ("tcp", ["10.0.10.2", 22]),
        "the host's sshd over IPv6": ("tcp", [gateway6, 22]),
        "another guest": ("tcp", [neighbour, 22]),
    }
