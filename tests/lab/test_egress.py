"""The guest's ways to the internet: none, names through the proxy, networks past it.

Each denial has its control: the same request passes where it is declared, or the thing that must
not be reached is shown to be there for somebody else.
"""

from __future__ import annotations

import json
import subprocess
import time

import pytest

from clawkeep.link import EXAMPLE
from clawkeep.policy import Openings
from clawkeep.render.squid import squid_conf
from tests.lab.by_name import (
    BY_NAME,
    FORBIDDEN,
    GATEWAY,
    NAMES,
    arrivals,
    ask,
    connect,
    declare,
    fetch,
    get,
    log,
)
from tests.lab.guarding import wait
from tests.lab.keep import GUEST, Built
from tests.lab.probes import probe

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def keep(keep: Built) -> Built:
    declare(keep, BY_NAME)
    return keep


def test_declared_names_answer_with_real_data_and_others_do_not(keep: Built) -> None:
    for url in ("https://api.anthropic.com/", "https://discord.com/", "http://example.com/"):
        done = fetch(keep, f"curl -sS -m 10 {url}")
        assert (done.stdout, done.stderr) == (f"lab: {url.split('/')[2]}\n", "")
    for url in ("https://github.com/", "https://statsig.anthropic.com/", "https://sentry.io/"):
        assert "response 403" in fetch(keep, f"curl -sS -m 10 {url}").stderr
    assert connect(keep, "npm.lab.internet:443", "packages.lab.internet:443") == {
        "npm.lab.internet:443": "200",
        "packages.lab.internet:443": "200",
    }


def test_a_bridged_service_is_not_sent_to_the_proxy(keep: Built) -> None:
    done = fetch(keep, f"curl -sS -m 10 http://{GATEWAY}:18123/")
    assert "Home Assistant" in done.stdout
    done = fetch(keep, "curl -sSk -m 10 -o /dev/null -w '%{http_code}' "
                        "https://bitwarden.cstrube.de:18443/")  # fmt: skip
    assert done.stdout == "200"


@pytest.mark.parametrize(
    "target",
    [
        "example.com:22",
        "example.com:80",
        "example.com:8443",
        "github.com:22",
        "93.184.215.14:443",
        "1.1.1.1:443",
        f"{FORBIDDEN}:443",
        "0x0a001e63:443",
        "167779939:443",
        "10.7779:443",
        "[::1]:443",
        "[::ffff:10.0.30.99]:443",
        f"{GATEWAY}:443",
        f"{GATEWAY}:3128",
        "localhost:443",
        "127.0.0.1:443",
        "rebind.example:443",
        "x.example.com:443",
        "example.com.evil.example:443",
        "statsig.anthropic.com:443",
    ],
)
def test_addresses_other_ports_and_other_names_are_refused(keep: Built, target: str) -> None:
    assert connect(keep, target, "example.com:443", "EXAMPLE.com.:443") == {
        target: "403",
        "example.com:443": "200",
        "EXAMPLE.com.:443": "200",
    }


def test_a_name_that_is_not_listed_is_not_even_resolved(keep: Built) -> None:
    before = len(keep.lab.visits("lan")) + len(keep.lab.visits("internet"))
    assert connect(keep, "secret-data.evil.example:443") == {"secret-data.evil.example:443": "403"}
    seen = [*keep.lab.visits("lan"), *keep.lab.visits("internet")]
    assert before
    assert [visit for visit in seen if "evil.example" in json.dumps(visit)] == []
    assert [visit for visit in seen if visit.get("name") == "example.com"]


def test_plain_requests_reach_listed_names_whatever_their_headers_say(keep: Built) -> None:
    before = arrivals(keep.lab)
    smuggled = get(f"http://{FORBIDDEN}/smuggled")
    both = f"Content-Length: {len(smuggled) + 5}\r\nTransfer-Encoding: chunked\r\n"
    kept = get("http://example.com/", "example.com", both, "POST").replace("close", "keep-alive")
    answers = ask(
        keep,
        {
            "listed": get("http://example.com/", "example.com"),
            "another host header": get("http://example.com/", FORBIDDEN),
            "private": get(f"http://{FORBIDDEN}/"),
            "resolves to private": get("http://rebind.example/"),
            "credentials before the address": get(f"http://example.com@{FORBIDDEN}/"),
            "another port": get("http://example.com:8080/"),
            "another scheme": get("ftp://example.com/"),
            "TLS by the proxy": get("https://example.com/"),
            "the proxy's own pages": get("http://clawkeep:3128/squid-internal-mgr/menu"),
            "the gateway": get(f"http://{GATEWAY}:3128/squid-internal-mgr/info"),
            "another method": get("http://example.com/", "example.com", method="TRACE"),
            "no absolute address": get("/", FORBIDDEN),
            "a header without end": get("http://example.com/", "x", f"X: {'a' * 40_000}\r\n"),
            "two lengths": f"{kept}0\r\n\r\n{smuggled}",
        },
    )
    assert answers.pop("listed").endswith("lab: example.com\n")
    assert answers.pop("another host header").endswith("lab: example.com\n")
    # The second request is seen as one of its own, and judged.
    assert "Access Denied" in answers.pop("two lengths")
    judged = [row for row in log(keep) if row[5] == f"http://{FORBIDDEN}/smuggled"]
    assert {row[11] for row in judged} == {"denied"}
    assert {answer.split(" ")[1][0] for answer in answers.values()} == {"4"}, answers
    assert arrivals(keep.lab) == before
    # The control: it is there, for whoever may.
    assert keep.host(f"curl -sS -m 5 http://{FORBIDDEN}/").returncode == 0
    assert arrivals(keep.lab) > before


def test_a_name_that_changes_its_address_never_leads_into_the_lan(keep: Built) -> None:
    """The shortest memory that squid has, so that answers change between judging and connecting."""
    text = squid_conf(Openings(domains=("flip.example",), http=True), EXAMPLE, log_dir="/tmp/flip")
    for old, new in (
        (f"http_port {GATEWAY}:3128", f"http_port {GATEWAY}:3199"),
        ("acl guest src 192.168.64.2", f"acl guest src {GATEWAY}"),
        ("negative_dns_ttl 10 seconds", "negative_dns_ttl 1 seconds"),
        ("positive_dns_ttl 1 hours", "positive_dns_ttl 1 seconds"),
    ):
        assert old in text
        text = text.replace(old, new)
    before = arrivals(keep.lab)
    asking = (
        "mkdir -p /tmp/flip; chown _clawkeep /tmp/flip; cat > /tmp/flip/squid.conf; cd /tmp/flip; "
        "sudo -u _clawkeep sh -c 'echo $$ > pid; exec /opt/homebrew/sbin/squid -N -f squid.conf' & "
        f"for i in $(seq 100); do nc -z {GATEWAY} 3199 && break; sleep 0.1; done; "
        "end=$(($(date +%s) + 7)); while [ $(date +%s) -lt $end ]; do "
        f"all=; for i in 1 2 3 4; do curl -sS -m 5 -o /dev/null -w '%{{http_code}}\\n' "
        f'--proxy http://{GATEWAY}:3199 http://flip.example/ & all="$all $!"; done; '
        "wait $all; done; "
        "kill $(cat pid); wait"
    )
    done = keep.lab.exec("host", ["/bin/sh", "-c", asking], input=text)
    codes = done.stdout.split()
    assert {"200", "403"} == set(codes), done.stderr
    assert arrivals(keep.lab) == before
    assert "10.0.30.99" not in keep.host("cat /tmp/flip/access.log").stdout


def test_the_proxy_listens_on_the_gateway_alone_for_the_guest_alone(keep: Built) -> None:
    listeners = keep.host("lsof -nP -iTCP:3128 -sTCP:LISTEN").stdout
    assert f"{GATEWAY}:3128 (LISTEN)" in listeners
    assert listeners.count("(LISTEN)") == 1
    assert " _clawkee" in listeners
    done = keep.lab.exec("lan", ["curl", "-sS", "-m", "3", "http://10.0.10.2:3128/"])
    assert done.returncode == 7
    done = keep.host(f"curl -sS -m 5 -x http://{GATEWAY}:3128 https://example.com/")
    assert "response 403" in done.stderr


def test_a_proxy_that_is_killed_comes_back(keep: Built) -> None:
    first = keep.host("pgrep -x squid").stdout.split()
    keep.host(f"kill -9 {' '.join(first)}")
    target = "example.com:443"
    wait("the proxy", lambda: connect(keep, target)[target] == "200", 20)
    assert keep.host("pgrep -x squid").stdout.split() != first


def test_every_request_is_logged_with_its_verdict_and_its_bytes(keep: Built) -> None:
    done = fetch(keep, "curl -sS -m 10 -o /dev/null "
                        "'https://download.example/slow?seconds=1&rate=200000'")  # fmt: skip
    assert done.returncode == 0, done.stderr
    connect(keep, "sentry.io:443")
    rows = log(keep)
    download = next(r for r in reversed(rows) if r[5] == "download.example:443")
    assert (download[2], download[4], download[6], download[11]) == (
        "192.168.64.2", "CONNECT", "200", "allowed",
    )  # fmt: skip
    assert int(download[1]) >= 900
    assert int(download[9]) > 190_000
    denied = next(r for r in reversed(rows) if r[5] == "sentry.io:443")
    assert (denied[6], denied[10], denied[11]) == ("403", "-", "denied")


def test_a_configuration_that_squid_does_not_like_replaces_nothing(keep: Built) -> None:
    saved = keep.host("cat /opt/clawkeep/etc/policy.json").stdout
    policy = json.loads(saved)
    policy["egress"]["domains"].append("a.example\nno_such_directive on")
    lay = ["/bin/sh", "-c", "cat > /opt/clawkeep/etc/policy.json"]
    before = keep.host("cat /opt/clawkeep/etc/squid.conf").stdout
    keep.lab.exec("host", lay, input=json.dumps(policy), check=True)
    try:
        done = keep.host("/opt/clawkeep/bin/clawkeep enforce")
        assert done.returncode == 1
        assert "squid refuses its configuration" in done.stderr
        assert keep.host("cat /opt/clawkeep/etc/squid.conf").stdout == before
        assert connect(keep, "example.com:443") == {"example.com:443": "200"}
        assert '"refused"' in keep.host("cat /opt/clawkeep/var/events.jsonl").stdout
    finally:
        keep.lab.exec("host", lay, input=saved, check=True)
        assert keep.host("/opt/clawkeep/bin/clawkeep enforce").returncode == 0


@pytest.mark.slow
def test_a_domain_that_is_removed_ends_its_tunnels(keep: Built) -> None:
    download = keep.lab.command(
        f"guest:{GUEST}",
        ["/usr/bin/curl", "-sS", "-o", "/dev/null", "-x", f"http://{GATEWAY}:3128",
         "https://download.example/slow?seconds=60&rate=1000"],
    )  # fmt: skip
    with subprocess.Popen(download, stderr=subprocess.DEVNULL) as running:
        time.sleep(1)
        assert running.poll() is None
        kept = [name for name in NAMES if name != "download.example"]
        declare(keep, {**BY_NAME, "domains": kept}, "--data", "phase=network")
        assert running.wait(timeout=10) != 0
    assert connect(keep, "download.example:443", "example.com:443") == {
        "download.example:443": "403",
        "example.com:443": "200",
    }


@pytest.mark.slow
def test_report_mode_lets_names_pass_notes_them_and_ends_by_itself(keep: Built) -> None:
    until = time.time() + 3600
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(until))
    declare(keep, {**BY_NAME, "report_until": stamp}, "--data", "phase=network")
    private = ("rebind.example:443", f"{FORBIDDEN}:443", "1.1.1.1:443")
    targets = ("github.com:443", "example.com:443", *private)
    found = connect(keep, *targets)
    assert found == {"github.com:443": "200", "example.com:443": "200",
                     **dict.fromkeys(private, "403")}  # fmt: skip
    noted = {row[5]: row[11] for row in log(keep)}
    assert (noted["github.com:443"], noted["example.com:443"]) == ("report", "allowed")
    # The host's clock never runs backwards: what it has seen once, it believes.
    keep.host(f"echo '{json.dumps({'t': until + 1})}' > /opt/clawkeep/var/clock.json")
    target = "github.com:443"
    wait("the end of reporting", lambda: connect(keep, target)[target] == "403", 60)
    assert connect(keep, "example.com:443") == {"example.com:443": "200"}


@pytest.mark.slow
def test_converging_again_changes_nothing(keep: Built) -> None:
    calls = len(keep.lab.calls())
    keep.converge()
    assert keep.mutations(calls) == []


@pytest.mark.slow
def test_back_to_none_nothing_is_left_of_it(keep: Built) -> None:
    declare(keep, {"mode": "none"})
    assert set(connect(keep, "example.com:443").values()) == {"ConnectionRefusedError"}
    assert keep.host("launchctl print system/com.nanoclaw.proxy").returncode != 0
    assert keep.host("pgrep -x squid").stdout == ""
    assert keep.guest("ls /etc/clawkeep/proxy.env").returncode != 0
    assert keep.guest("cat /Users/claw/.claude/settings.json").stdout == "{}\n"
    assert fetch(keep, "echo $HTTPS_PROXY").stdout == "\n"


@pytest.mark.slow
def test_declared_networks_are_reached_on_their_ports_and_nothing_else_is(keep: Built) -> None:
    closed = probe(keep.lab, GUEST, {"example.com": ("tcp", ["93.184.215.14", 443])})
    assert closed == {"example.com": False}
    declare(keep, {"mode": "cidrs", "cidrs": ["93.184.215.0/24", "140.82.112.4"]})
    found = probe(
        keep.lab,
        GUEST,
        {
            "network": ("tcp", ["93.184.215.14", 443]),
            "address": ("tcp", ["140.82.112.4", 443]),
            "another port": ("tcp", ["140.82.112.4", 22]),
            "its neighbour": ("tcp", ["140.82.112.6", 443]),
            "another port, too": ("tcp", ["93.184.215.14", 80]),
            "another address": ("tcp", ["1.1.1.1", 443]),
            "a ping": ("ping", ["93.184.215.14"]),
            "DNS": ("dns", ["1.1.1.1", "udp"]),
            "the LAN": ("tcp", [FORBIDDEN, 80]),
            "the proxy": ("tcp", [GATEWAY, 3128]),
        },
    )
    assert found == {**dict.fromkeys(found, False), "network": True, "address": True}
    done = keep.guest("curl -sS -m 10 --resolve example.com:443:93.184.215.14 https://example.com/")
    assert done.stdout == "lab: example.com\n"
