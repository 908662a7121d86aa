"""Real programs that formulae bring: squid and dnsmasq as the operator, unprivileged."""

import subprocess
from collections.abc import Iterator

import pytest

from lab.lab import Lab
from tests.lab.tart_host import wait_for

pytestmark = pytest.mark.lab

SQUID = """\
http_port 127.0.0.1:3128
visible_hostname keep
cache deny all
pid_filename /tmp/squid.pid
access_log stdio:/tmp/access.log
cache_log /tmp/cache.log
coredump_dir /tmp
mime_table /opt/homebrew/etc/mime.conf
error_directory /opt/homebrew/opt/squid/share/errors/en
icon_directory /opt/homebrew/opt/squid/share/icons
pinger_enable off
shutdown_lifetime 0 seconds
acl allowed dstdomain example.com
http_access allow CONNECT allowed
http_access deny all
"""
DNSMASQ = """\
port=5353
listen-address=127.0.0.1
bind-interfaces
no-resolv
no-hosts
server=/example.com/1.1.1.1
address=/#/
log-queries
log-facility=/tmp/dnsmasq.log
pid-file=/tmp/dnsmasq.pid
"""
ASK = """\
import socket, struct, sys
name = b"".join(bytes([len(x)]) + x.encode() for x in sys.argv[1].split("."))
query = struct.pack("!6H", 7, 0x100, 1, 0, 0, 0) + name + bytes([0, 0, 1, 0, 1])
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
    line.settimeout(3)
    line.sendto(query, ("127.0.0.1", 5353))
    reply = line.recv(512)
print(reply[3] & 15, socket.inet_ntoa(reply[-4:]))
"""
PATH = "PATH=/opt/homebrew/bin:/opt/homebrew/sbin:/usr/bin:/bin:/usr/sbin:/sbin"


def run(lab: Lab, script: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    command = ["/usr/bin/env", PATH, "/bin/sh", "-c", script]
    return lab.exec("host", command, user="operator", input=stdin)


def serving(lab: Lab, command: str) -> subprocess.Popen[str]:
    words = ["/usr/bin/env", PATH, "/bin/sh", "-c", f"exec {command}"]
    return subprocess.Popen(lab.command("host", words, user="operator"), text=True)


@pytest.fixture(scope="module")
def host(lab: Lab) -> Lab:
    done = run(lab, "HOMEBREW_NO_AUTO_UPDATE=1 brew install squid dnsmasq haproxy")
    assert done.returncode == 0, done.stderr
    return lab


@pytest.fixture
def squid(host: Lab) -> Iterator[Lab]:
    run(host, "cat > /tmp/squid.conf", SQUID)
    process = serving(host, "squid -N -f /tmp/squid.conf")
    try:
        wait_for("squid", lambda: run(host, "nc -z 127.0.0.1 3128").returncode == 0)
        yield host
    finally:
        run(host, "kill `cat /tmp/squid.pid`")
        assert process.wait(10) == 0


def proxied(lab: Lab, url: str) -> subprocess.CompletedProcess[str]:
    return run(lab, f"curl -sS -m 5 -x http://127.0.0.1:3128 {url}")


def test_squid_carries_what_it_may_and_notes_what_it_may_not(squid: Lab) -> None:
    assert proxied(squid, "https://example.com/").stdout == "lab: example.com\n"
    refused = proxied(squid, "https://discord.com/")

    assert refused.returncode == 56
    assert "403" in refused.stderr
    log = run(squid, "cat /tmp/access.log").stdout
    assert "TCP_TUNNEL/200" in log
    assert "TCP_DENIED/403" in log
    assert run(squid, "ps -Ao user=,command= | grep '[s]quid -N'").stdout.split()[0] == "operator"


def test_squid_shows_its_error_pages_and_misses_no_file(squid: Lab) -> None:
    page = proxied(squid, "http://discord.com/").stdout

    assert "ERROR: The requested URL could not be retrieved" in page
    log = run(squid, "cat /tmp/cache.log").stdout
    assert "Accepting HTTP Socket connections" in log
    assert [line for line in log.splitlines() if "rror" in line and "stderr" not in line] == []


@pytest.mark.parametrize(
    ("line", "status"), [("", 0), ("nonsense 1", 1), ("http_access deny x", 1)]
)
def test_squid_judges_a_file(host: Lab, line: str, status: int) -> None:
    run(host, "cat > /tmp/tried.conf", f"{SQUID}{line}\n")

    assert run(host, "squid -k parse -f /tmp/tried.conf").returncode == status


def test_squids_settings_lie_in_the_prefix_and_an_edited_file_stays(host: Lab) -> None:
    etc = "/opt/homebrew/etc"
    assert run(host, f"squid -k parse -f {etc}/squid.conf").returncode == 0
    run(host, f"echo mine > {etc}/squid.conf; brew uninstall squid")
    assert run(host, f"cat {etc}/squid.conf").stdout == "mine\n"

    assert run(host, "HOMEBREW_NO_AUTO_UPDATE=1 brew install squid").returncode == 0

    assert run(host, f"cat {etc}/squid.conf").stdout == "mine\n"
    assert "http_port 3128" in run(host, f"cat {etc}/squid.conf.default").stdout


def test_dnsmasq_resolves_what_it_is_told_to_and_nothing_else(host: Lab) -> None:
    run(host, "cat > /tmp/dnsmasq.conf", DNSMASQ)
    assert run(host, "dnsmasq --test --conf-file=/tmp/dnsmasq.conf").returncode == 0
    process = serving(host, "dnsmasq --keep-in-foreground --conf-file=/tmp/dnsmasq.conf --user=")
    try:
        wait_for("dnsmasq", lambda: "started" in run(host, "cat /tmp/dnsmasq.log").stdout)

        def ask(name: str) -> str:
            return run(host, f"python3 -c '{ASK}' {name}").stdout

        assert ask("example.com") == "0 93.184.215.14\n"
        assert ask("github.com").startswith("3 ")
        assert "config github.com is NXDOMAIN" in run(host, "cat /tmp/dnsmasq.log").stdout
    finally:
        run(host, "kill `cat /tmp/dnsmasq.pid`")
        assert process.wait(10) == 0


def test_haproxy_checks_a_file(host: Lab) -> None:
    good = "defaults\n timeout connect 1s\n timeout client 1s\n timeout server 1s\n"
    run(host, "cat > /tmp/haproxy.cfg", f"{good}listen a\n mode tcp\n bind 127.0.0.1:9999\n")

    assert run(host, "haproxy -c -f /tmp/haproxy.cfg").returncode == 0
    assert run(host, "echo nonsense | haproxy -c -f /dev/stdin").returncode == 1
