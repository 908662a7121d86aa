"""The client of bridges.py, on the guest's own Python 3.9: HOST PAGE STREAM ECHO SECONDS."""

import json
import selectors
import socket
import sys
import time

REQUEST = b"GET / HTTP/1.0\r\n\r\n"
AT_ONCE = 32


def rate(host, port, seconds):
    """Fetch the page over new connections, 32 at a time; return how many per second."""
    ready = selectors.DefaultSelector()
    done = 0

    def begin():
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex((host, port))
        ready.register(sock, selectors.EVENT_WRITE, [b""])

    for _ in range(AT_ONCE):
        begin()
    started = time.perf_counter()
    while time.perf_counter() < started + seconds:
        for key, events in ready.select(1):
            sock, answer = key.fileobj, key.data
            if events & selectors.EVENT_WRITE:
                error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if error:
                    raise OSError(error, "connect")
                sock.send(REQUEST)
                ready.modify(sock, selectors.EVENT_READ, answer)
                continue
            chunk = sock.recv(4096)
            answer[0] += chunk
            if chunk:
                continue
            if not answer[0].endswith(b"ok"):
                raise ValueError("no page: %r" % answer[0])
            ready.unregister(sock)
            sock.close()
            done += 1
            begin()
    return done / (time.perf_counter() - started)


def fetch(host, port):
    """Fetch the page once; return the milliseconds from the connect to the last byte."""
    started = time.perf_counter()
    with socket.create_connection((host, port), timeout=10) as sock:
        sock.sendall(REQUEST)
        answer = b""
        while True:
            chunk = sock.recv(4096)
            if not chunk:
                break
            answer += chunk
    if not answer.endswith(b"ok"):
        raise ValueError("no page: %r" % answer)
    return (time.perf_counter() - started) * 1000


def echoes(host, port, seconds):
    """Send 64 bytes to and fro on one open connection; return the milliseconds of each."""
    took = []
    with socket.create_connection((host, port), timeout=10) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            started = time.perf_counter()
            sock.sendall(b"x" * 64)
            left = 64
            while left:
                chunk = sock.recv(left)
                if not chunk:
                    raise ValueError("the echo ended")
                left -= len(chunk)
            took.append((time.perf_counter() - started) * 1000)
    return took


def throughput(host, port, seconds):
    """Read an endless stream; return Gbit/s."""
    total = 0
    with socket.create_connection((host, port), timeout=10) as sock:
        started = time.perf_counter()
        buffer = bytearray(1 << 20)
        while time.perf_counter() < started + seconds:
            count = sock.recv_into(buffer)
            if not count:
                raise ValueError("the stream ended")
            total += count
    return total * 8 / 1e9 / (time.perf_counter() - started)


def percentile(values, share):
    """Return the value below which `share` of the values lie."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def main(host, page, stream, echo, seconds):
    """Measure one way and print the figures as JSON."""
    new = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        new.append(fetch(host, page))
    opened = echoes(host, echo, seconds)
    print(
        json.dumps(
            {
                "rate": rate(host, page, seconds),
                "new_p50": percentile(new, 0.5),
                "new_p99": percentile(new, 0.99),
                "open_p50": percentile(opened, 0.5),
                "open_p99": percentile(opened, 0.99),
                "gbit": throughput(host, stream, seconds),
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]))
