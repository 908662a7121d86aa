"""Times the bridges' socat beside a direct connection and haproxy: `python -m bench.bridges`.

One lab, one guest without walls, one origin on the LAN; the guest's client takes the three ways in
turn, so that all see the same machine. How to read the result: README.md beside this file. Exit
status: command.py.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from ipaddress import IPv4Address
from pathlib import Path

from bench.command import Result, fresh_lab, parser, run, say
from bench.series import FailedError
from clawkeep.link import Link
from clawkeep.policy import Door
from clawkeep.render.bridge import bridge_argv
from lab.lab import Lab

ORIGIN = "10.0.30.5"
PAGE, STREAM, ECHO = 19000, 19100, 19200
WAYS = ("direct", "socat", "haproxy")
GATEWAY, GUEST = "192.168.64.1", "192.168.64.2"

#: Runs in the guest: prints connections/s at 32 at a time, latencies in ms, and Gbit/s.
CLIENT = Path(__file__).with_name("bridges_client.py")

HAPROXY = """
global
  maxconn 2000
defaults
  timeout connect 10s
  timeout client 60s
  timeout server 60s
"""


def origin_config() -> str:
    """Return haproxy as an HTTP server that answers from memory: the fastest origin at hand."""
    return (
        HAPROXY + "frontend page\n  mode http\n"
        f"  bind {ORIGIN}:{PAGE}\n"
        "  http-request return status 200 content-type text/plain string ok\n"
    )


def forwarder_config() -> str:
    """Return haproxy in TCP mode: the peer of the bridges."""
    parts = [
        f"listen way{port}\n  mode tcp\n  bind {GATEWAY}:{port + 2}\n  server o {ORIGIN}:{port}\n"
        for port in (PAGE, STREAM, ECHO)
    ]
    return HAPROXY + "".join(parts)


@contextmanager
def running(command: Sequence[str]) -> Iterator[None]:
    """Have a program run in the background until the end of this block."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def start(lab: Lab, folder: Path, stack: ExitStack) -> None:
    """Start the origin on the LAN, and both forwarders on the host."""
    host = ["nsenter", f"--target={lab.facts['host_pid']}", "--net", "--"]
    lan = ["nsenter", f"--target={lab.facts['pid']}", "--net", "--"]
    for name, text, where in (
        ("origin", origin_config(), lan),
        ("forwarder", forwarder_config(), host),
    ):
        file = folder / f"{name}.cfg"
        file.write_text(text)
        stack.enter_context(running([*where, "haproxy", "-db", "-f", str(file)]))
    zeros = f"TCP-LISTEN:{STREAM},bind={ORIGIN},reuseaddr,fork"
    stack.enter_context(running([*lan, "socat", "-b", "65536", "-u", "OPEN:/dev/zero", zeros]))
    echo = f"TCP-LISTEN:{ECHO},bind={ORIGIN},reuseaddr,fork,nodelay"
    stack.enter_context(running([*lan, "socat", echo, "EXEC:cat"]))
    link = Link.of("bridge100", GATEWAY, "24", GUEST)
    for port in (PAGE, STREAM, ECHO):
        door = Door(f"bench{port}", port + 1, ORIGIN, port, idle_s=3600, max_connections=256)
        argv = bridge_argv(door, link, IPv4Address(ORIGIN), socat="socat", log_dir=str(folder))
        stack.enter_context(running([*host, *argv]))
    time.sleep(1)


def guest(lab: Lab) -> str:
    """Start a guest without walls and return its VM's name. Raises FailedError."""
    install = (
        "NONINTERACTIVE=1 /opt/homebrew/bin/brew install --quiet openai/tools/tart "
        "openai/tools/softnet && /opt/homebrew/bin/tart clone "
        "ghcr.io/cirruslabs/macos-sequoia-base bench"
    )
    run = ["launchctl", "asuser", "501", "sudo", "-u", "operator", "-H", "sh", "-c"]
    done = lab.exec("host", [*run, install], timeout=120)
    if done.returncode:
        raise FailedError(done.stderr)
    script = "/opt/homebrew/bin/tart run --no-graphics bench >/dev/null 2>&1 &"
    lab.exec("host", [*run, script])
    deadline = time.monotonic() + 30
    ask = [*run, "/opt/homebrew/bin/tart ip bench --resolver=agent"]
    while time.monotonic() < deadline:
        done = lab.exec("host", ask)
        if done.returncode == 0:
            if done.stdout.strip() != GUEST:
                raise FailedError(f"the guest is at {done.stdout.strip()}, expected {GUEST}")
            return "bench"
        time.sleep(0.2)
    raise FailedError(f"the guest did not come up: {done.stderr}")


def measure(lab: Lab, vm: str, seconds: float, turns: int) -> dict[str, list[dict[str, float]]]:
    """Send the client each way in turn, `turns` times. Raises FailedError."""
    results: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for turn in range(turns):
        for offset, way in enumerate(WAYS):
            host = ORIGIN if way == "direct" else GATEWAY
            ports = [str(port + offset) for port in (PAGE, STREAM, ECHO)]
            done = lab.exec(
                f"guest:{vm}",
                ["/usr/bin/python3", "-", host, *ports, str(seconds)],
                input=CLIENT.read_text(),
                timeout=seconds * 10 + 60,
            )
            if done.returncode:
                raise FailedError(f"{way}: {done.stderr[-2000:]}")
            results[way].append(json.loads(done.stdout))
        say(f"turn {turn + 1} of {turns}")
    return results


COLUMNS = (
    ("connections/s", "rate", "{:10.0f}"),
    ("new, p50 ms", "new_p50", "{:10.2f}"),
    ("new, p99 ms", "new_p99", "{:10.2f}"),
    ("open, p50 ms", "open_p50", "{:10.3f}"),
    ("open, p99 ms", "open_p99", "{:10.3f}"),
    ("Gbit/s", "gbit", "{:10.2f}"),
)


def report(results: dict[str, list[dict[str, float]]]) -> Iterator[str]:
    """Yield the table of medians, and what socat costs beside the others."""
    median = {
        way: {key: statistics.median(run[key] for run in runs) for _, key, _ in COLUMNS}
        for way, runs in results.items()
    }
    yield f"{'way':12}" + "".join(f"{title:>14}" for title, _, _ in COLUMNS)
    for way, row in median.items():
        yield f"{way:12}" + "".join(f"{shape.format(row[key]):>14}" for _, key, shape in COLUMNS)
    socat = median["socat"]
    for way in ("direct", "haproxy"):
        other = median[way]
        yield (
            f"socat beside {way}: {socat['rate'] / other['rate']:.2f} of the connections, "
            f"{socat['gbit'] / other['gbit']:.2f} of the throughput, "
            f"{socat['open_p50'] - other['open_p50']:+.3f} ms on an open connection, "
            f"{socat['new_p50'] - other['new_p50']:+.2f} ms on a new one"
        )


def benchmark(folder: Path, seconds: float, turns: int) -> Result:
    """Return the figures of every way, from a fresh lab. Raises FailedError, LabError, OSError."""
    folder.chmod(0o755)
    with ExitStack() as stack:
        lab = stack.enter_context(fresh_lab())
        vm = guest(lab)
        start(lab, folder, stack)
        results = measure(lab, vm, seconds, turns)
    return Result(report(results), (), results)


def main(arguments: Sequence[str] | None = None) -> int:
    made = parser(__doc__, turns=3)
    made.add_argument("--seconds", type=float, default=3, help="of each measurement (3)")
    options = made.parse_args(arguments)
    return run(lambda folder: benchmark(folder, options.seconds, options.turns), options.json)


if __name__ == "__main__":
    sys.exit(main())
