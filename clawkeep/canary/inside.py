"""Runs in the guest, on its own Python 3.9: the canary's probes, all at once.

Sent on stdin with one more line that calls `main`: one file however long, since a guest has no
other of ours to import. It says what it saw and judges nothing: each result is answered true or
false, or null when the probe itself broke, which is never silence.
"""

import errno
import json
import os
import resource
import signal
import socket
import ssl
import struct
import threading
import time

SILENT = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.EPIPE: "closed",
    errno.ETIMEDOUT: "timeout",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
    errno.EHOSTDOWN: "unreachable",
    errno.ENETDOWN: "network down",
    errno.EADDRNOTAVAIL: "unreachable",
}  # Not EPERM or EACCES: a probe that may not send has not been refused by anybody else.
WORKERS = 192


class Silence(Exception):
    """Nothing answered, or not what was asked for; the text says how it looked."""


class Line:
    """A socket to a probe's target, and the one deadline of all that is done with it.

    Entering it connects, unless it is for answers from anybody.
    """

    def __init__(self, probe, kind=socket.SOCK_STREAM, anybody=False):
        self.end = time.monotonic() + probe["timeout_s"]
        host = probe["host"]
        if host.startswith("fe80:"):
            host = "%s%%%s" % (host.partition("%")[0], interface())
        family, _, _, _, address = socket.getaddrinfo(
            host, probe["port"], 0, kind, 0, socket.AI_NUMERICHOST
        )[0]
        self.address = address
        self.anybody = anybody
        self.socket = socket.socket(family, kind)

    def __enter__(self):
        try:
            if not self.anybody:
                self.wait().connect(self.address)
        except BaseException:
            self.socket.close()
            raise
        return self

    def __exit__(self, *_):
        self.socket.close()

    def wait(self):
        """Let the next operation take what is left of the time."""
        left = self.end - time.monotonic()
        if left <= 0:
            raise Silence("timeout")
        self.socket.settimeout(left)
        return self.socket

    def send(self, data):
        self.wait().sendall(data)

    def receive(self, size):
        return self.wait().recv(size)

    def until(self, end, limit=2000):
        """Read up to `end`; what comes slowly, or without end, is no answer."""
        data = b""
        while end not in data:
            piece = self.receive(256)
            if not piece or len(data) > limit:
                raise Silence("accepted, then %s" % ("closed" if not piece else "endless"))
            data += piece
        return data.partition(end)[0].decode("latin-1").strip()


def interface():
    """Return the guest's network interface: a link-local address needs it."""
    names = [name for _, name in socket.if_nameindex() if not name.startswith("lo")]
    return "en0" if "en0" in names else names[0]


def open_(probe):
    """Just connect: whatever accepts is an answer."""
    with Line(probe) as line:
        line.send(probe["nonce"].encode())
    return "connected"


def secure(line, server_name, ca):
    context = ssl.create_default_context(cadata=ca)
    line.socket = context.wrap_socket(line.wait(), server_hostname=server_name)
    names = [value for _, value in line.socket.getpeercert().get("subjectAltName", ())]
    return "%s, certificate for %s" % (line.socket.version(), ", ".join(names[:3]))


def tls(probe):
    """Verify the chain and the name that the certificate must carry."""
    with Line(probe) as line:
        return secure(line, probe["server_name"], probe["ca"])


def http(probe):
    """Ask for /: any HTTP status is the service speaking."""
    with Line(probe) as line:
        ask = "GET / HTTP/1.1\r\nHost: %s\r\nX-Clawkeep-Canary: %s\r\nConnection: close\r\n\r\n"
        line.send((ask % (probe["authority"], probe["nonce"])).encode())
        return greeting(line, "HTTP/1.")


def ssh(probe):
    """Wait for sshd's banner."""
    with Line(probe) as line:
        return greeting(line, "SSH-")


def greeting(line, start):
    said = line.until(b"\n")
    if not said.startswith(start):
        raise Silence("no %s: %r" % (start.rstrip("/1.-"), said[:60]))
    return said


def tcp(probe):
    """Hold the connection for a moment: a bridge whose target is down closes it."""
    with Line(probe) as line:
        line.end = min(line.end, time.monotonic() + 0.5)
        try:
            if not line.receive(1):
                raise Silence("accepted, then closed: nothing behind the bridge")
        except socket.timeout:  # no TimeoutError before Python 3.10
            pass
    return "connected"


def connect(probe):
    """Ask the proxy for a tunnel, and for real data through it where there must be some."""
    with Line(probe) as line:
        ask = "CONNECT {0} HTTP/1.1\r\nHost: {0}\r\nX-Clawkeep-Canary: {1}\r\n\r\n"
        there = "%s:%d" % (probe["asked"], probe["asked_port"])
        line.send(ask.format(there, probe["nonce"]).encode())
        head = line.until(b"\r\n\r\n", 8000)
        status = head.splitlines()[0] if head else ""
        if status.split()[1:2] != ["200"]:
            raise Silence("refused: %s" % status[:80])
        return secure(line, probe["asked"], None) if probe["data"] else status


def query(probe, name, kind=1):
    number = int(probe["nonce"][:4], 16)
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return (
        struct.pack(">HHHHHH", number, 0x100, 1, 0, 0, 0) + labels + struct.pack(">BHH", 0, kind, 1)
    )


def ask(probe, name):
    """Send a query; return the header of the answer that carries its number."""
    with Line(probe, socket.SOCK_DGRAM) as line:
        message = query(probe, name)
        line.send(message)
        while True:
            reply = line.receive(4096)
            if len(reply) >= 12 and reply[:2] == message[:2] and reply[2] & 0x80:
                return struct.unpack(">HHHHHH", reply[:12])


def dns(probe):
    """Any answer counts, a refusal too: somebody took the question."""
    header = ask(probe, probe.get("asked") or "%s.example.com" % probe["nonce"])
    return "DNS answer, code %d" % (header[1] & 15)


def resolves(probe):
    """Only an address counts."""
    header = ask(probe, probe["asked"])
    if header[1] & 15 or not header[3]:
        raise Silence("no address, code %d" % (header[1] & 15))
    return "%d records" % header[3]


def mdns(probe):
    """Ask which services there are; our own answer does not count."""
    with Line(probe, socket.SOCK_DGRAM, anybody=True) as line:
        line.socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
        own = own_address(probe)
        line.socket.sendto(query(probe, "_services._dns-sd._udp.local", 12), line.address)
        while True:
            reply, peer = line.wait().recvfrom(4096)
            if peer[0] != own and len(reply) >= 12 and reply[2] & 0x80:
                return "mDNS answer of %s" % peer[0]


def own_address(probe):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as route:
        route.connect((probe["host"], probe["port"]))
        return route.getsockname()[0]


def udp(probe):
    """Send the nonce and wait for anything."""
    with Line(probe, socket.SOCK_DGRAM) as line:
        line.send(probe["nonce"].encode())
        return "%d bytes" % len(line.receive(4096))


def ping(probe):
    """Send an echo request through the kernel's own ICMP socket, which needs no root."""
    payload = probe["nonce"].encode()
    head = struct.pack(">BBHHH", 8, 0, 0, os.getpid() & 0xFFFF, 1)
    request = head[:2] + struct.pack(">H", checksum(head + payload)) + head[4:] + payload
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP) as icmp:
        end = time.monotonic() + probe["timeout_s"]
        icmp.sendto(request, (probe["host"], 0))
        while True:
            icmp.settimeout(max(0.001, end - time.monotonic()))
            reply = icmp.recv(4096)
            # macOS hands out the IP header, too; Linux does not.
            start = (reply[0] & 15) * 4 if reply and reply[0] >> 4 == 4 else 0
            if reply[start : start + 1] == b"\0" and payload in reply:
                return "echo reply"


def checksum(data):
    total = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def name(probe):
    """Ask the guest's own resolver, which may take its time: we do not wait for it."""
    found = []

    def look():
        try:
            found.append(socket.getaddrinfo(probe["host"], probe["port"], socket.AF_INET)[0][4][0])
        except socket.gaierror as error:
            found.append(error)

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    looking.join(probe["timeout_s"])
    if not found or isinstance(found[0], Exception):
        raise Silence("no address: %s" % (found[0] if found else "timeout"))
    return "resolved to %s" % found[0]


KINDS = {
    "open": open_, "tls": tls, "http": http, "ssh": ssh, "tcp": tcp, "connect": connect,
    "dns": dns, "resolves": resolves, "mdns": mdns, "udp": udp, "ping": ping, "name": name,
}  # fmt: skip


def look(probe):
    """Run one probe; return whether it was answered, and what was seen."""
    try:
        return True, KINDS[probe["what"]](probe)
    except Silence as silence:
        return False, str(silence)
    except socket.timeout:
        return False, "timeout"
    except ssl.SSLError as error:
        return False, "TLS: %s" % (getattr(error, "verify_message", "") or error.reason or error)
    except Exception as error:  # noqa: BLE001 - whatever it was, it is the evidence
        if isinstance(error, OSError) and error.errno in SILENT:
            return False, SILENT[error.errno]
        return None, "%s: %s" % (type(error).__name__, error)


def work(probes, results):
    while True:
        try:
            probe = probes.pop()
        except IndexError:
            return
        started = time.monotonic()
        answered, evidence = look(probe)
        took = round((time.monotonic() - started) * 1000)
        results.append(
            {"nonce": probe["nonce"], "answered": answered, "evidence": evidence, "ms": took}
        )


def main(text):
    """Run all probes of the JSON document `text` and print the results as one line of JSON."""
    plan = json.loads(text)
    end = time.monotonic() + plan["deadline_s"]
    signal.alarm(int(plan["deadline_s"]) + 5)  # a run that hangs leaves nothing behind
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)  # launchd's default is 256
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(1024, hard)), hard))
    threading.stack_size(262144)
    # Popped from the end: what waits longest is started first, services last, with a warm ARP.
    probes, results = list(plan["probes"]), []
    threads = [
        threading.Thread(target=work, args=(probes, results), daemon=True)
        for _ in range(min(WORKERS, len(probes)))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0, end - time.monotonic()))
    print(json.dumps({"nonce": plan["nonce"], "results": list(results)}), flush=True)
    os._exit(0)  # whatever still waits is not waited for
