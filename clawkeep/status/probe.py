"""Runs in the guest, on its own Python 3.9: one real probe per service, all at once.

Sent on stdin with one more line that calls `main`. A bridge accepts a connection also when its
target is down (reference/macos.md §3), so a probe passes only when the service itself speaks.
"""

import json
import socket
import ssl
import subprocess
import threading
import time


def gateway():
    """Return the guest's default gateway, where the bridges listen."""
    text = subprocess.run(
        ["/sbin/route", "-n", "get", "default"], capture_output=True, text=True, check=False
    ).stdout
    lines = [line.split() for line in text.splitlines()]
    for words in lines:
        if words[:1] == ["gateway:"]:
            return words[1]
    raise OSError("the guest has no default route")


def tls(question, sock):
    """Verify the chain and the name that the certificate must carry."""
    context = ssl.create_default_context(cadata=question["ca"])
    with context.wrap_socket(sock, server_hostname=question["server_name"]) as secure:
        names = [value for _, value in secure.getpeercert().get("subjectAltName", ())]
        return "%s, certificate for %s" % (secure.version(), ", ".join(names))


def http(question, sock):
    """Ask for / and return the status line; any HTTP status is the service speaking."""
    host = "%s:%d" % (question["host"] or gateway(), question["port"])
    sock.sendall(("GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % host).encode())
    line = sock.makefile("rb").readline(200).decode("latin-1").strip()
    if not line.startswith("HTTP/1."):
        raise ValueError("no HTTP status line: %r" % line)
    return line


def ssh(question, sock):
    """Return sshd's banner."""
    line = sock.makefile("rb").readline(255).decode("latin-1").strip()
    if not line.startswith("SSH-"):
        raise ValueError("no SSH banner: %r" % line)
    return line


def tcp(question, sock):
    """Hold the connection for a moment: a bridge without a target closes it at once."""
    sock.settimeout(1)
    try:
        if sock.recv(1) == b"":
            raise ValueError("accepted, then closed: nothing behind the bridge")
    except socket.timeout:  # no TimeoutError before Python 3.10
        pass
    return "connected"


KINDS = {"tls": tls, "http": http, "ssh": ssh, "tcp": tcp}


def probe(question, timeout_s, results):
    """Probe one service; what it saw, or why not, is the evidence."""
    started = time.monotonic()
    try:
        address = question["host"] or gateway()
        with socket.create_connection((address, question["port"]), timeout=timeout_s) as sock:
            evidence, ok = KINDS[question["kind"]](question, sock), True
    except socket.gaierror:
        evidence, ok = "the guest does not know the name %s" % question["host"], False
    except Exception as error:  # noqa: BLE001 - whatever it was, it is the answer
        evidence, ok = "%s: %s" % (type(error).__name__, error), False
    took = round((time.monotonic() - started) * 1000)
    results[question["name"]] = {"ok": ok, "evidence": evidence, "ms": took}


def main(text, timeout_s):
    """Probe all services of the JSON list `text` and print the results as JSON."""
    results = {}
    questions = json.loads(text)
    threads = [
        threading.Thread(target=probe, args=(question, timeout_s, results), daemon=True)
        for question in questions
    ]
    for thread in threads:
        thread.start()
    end = time.monotonic() + timeout_s + 2
    for thread in threads:
        thread.join(max(0, end - time.monotonic()))
    # A copy: a probe that is late may still write.
    print(json.dumps(dict(results)), flush=True)
