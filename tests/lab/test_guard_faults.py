"""Enforcement that somebody takes away: it is back, or all is closed, before much got through.

A prober in the guest tries all the time, over TCP and UDP, what no door leads to. pf gives no sign
of a change, so what opens at once (pf disabled, the main ruleset or the doors' rules replaced)
stands open until the guard looks; everything else must let nothing through at all.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.lab import LINUX_NFT
from tests.lab.guarding import events, guest_is_up, hammering, happened, is_open, read, record, wait
from tests.lab.keep import GUEST, Built
from tests.recording import Faults

pytestmark = pytest.mark.lab
SLOW = pytest.mark.slow

TART = "sudo -u operator -H /opt/homebrew/bin/tart"
DOORS, WALL = "com.apple/000.clawkeep", "com.apple/001.clawkeep-wall"
CANARY = "/Library/LaunchDaemons/com.nanoclaw.canary.plist"
#: The guard looks every second, at each anchor every other one; the lab's pfctl takes its time.
SOON_S = 15.0


def banner(gateway: str) -> str:
    """Return a script that prints what the door to the NAS says."""
    where = f"('{gateway}', 18022)"
    return f'python3 -c "import socket; print(socket.create_connection({where}, 2).recv(4))"'


def brief(text: str) -> str:
    """Return an event's words without its examples."""
    return text.partition("; ")[0].partition(", such as")[0]


@pytest.fixture(scope="module")
def keep(keep: Built) -> Iterator[Built]:
    # The canary finds these faults, too, and the guard then cuts the guest off: another test.
    keep.host(f"launchctl bootout system {CANARY}; mv {CANARY} /var/root")
    yield keep
    # The last word: after all of it the keep is well.
    wait("well in the end", lambda: keep.clawkeep("status").returncode == 0)


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (f"pfctl -a {DOORS} -F rules", "repaired", f"{DOORS} is empty"),
        (f"pfctl -a {WALL} -F rules", "repaired", f"{WALL} is empty"),
        pytest.param(
            f"echo 'pass quick all' | pfctl -a {WALL} -f -",
            "repaired",
            f"{WALL} differs",
            marks=SLOW,
        ),
        ("echo garbage > /opt/clawkeep/etc/policy.json", "damaged", "policy"),
        ("pfctl -f /etc/pf.conf", "", ""),
        pytest.param("echo 'pass quick all' > /opt/clawkeep/etc/anchor.conf", "", "", marks=SLOW),
    ],
)
def test_what_leaves_one_wall_standing_lets_nothing_through(
    keep: Built, fault: str, kind: str, words: str, faults: Faults
) -> None:
    policy = keep.host("cat /opt/clawkeep/etc/policy.json").stdout
    rules = keep.host("cat /opt/clawkeep/etc/anchor.conf").stdout
    before, took = len(events(keep)), None
    with hammering(keep) as tried:
        began = time.monotonic()
        assert keep.host(fault).returncode == 0
        if kind:
            took = wait(words, lambda: happened(keep, kind, words, before))
            print(f"{fault}: {kind} after {took:.1f} s")
        else:
            time.sleep(3)  # Two looks: nothing that could be waited for may happen.
        if "policy" in fault:
            wait("closed", lambda: record(keep)["state"] == "closed")
            keep.lab.exec(
                "host", ["/bin/sh", "-c", "cat > /opt/clawkeep/etc/policy.json"], input=policy
            )
        file = "/opt/clawkeep/etc/anchor.conf"
        wait("as it was", lambda: is_open(keep) and read(keep, file) == rules)
        mended = time.monotonic() - began
    assert tried.hits == []
    told = [e["text"] for e in events(keep)[before:] if kind and words in e["text"]]
    says = f"{brief(told[0]) if told else 'the rules in force stay'}; nothing got through"
    faults.show(
        "declaration" if "policy" in fault else "pf",
        f"`{fault}`",
        says,
        "the operator" if "policy" in fault else "the guard",
        detected_s=took,
        mended_s=None if "policy" in fault else mended,
    )


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("pfctl -F all", "the main ruleset has lost"),
        ("pfctl -d", "pf"),  # "is disabled", or "our hold on pf was gone" amid a check
        pytest.param(
            "echo 'pass in quick all' | pfctl -f -", "the main ruleset has lost", marks=SLOW
        ),
        pytest.param(
            f"echo 'pass quick all' | pfctl -a {DOORS} -f -", f"{DOORS} differs", marks=SLOW
        ),
        (
            f"for a in {DOORS} {WALL}; do echo 'pass quick all' | pfctl -a $a -f -; done",
            f"{WALL} differs",
        ),
    ],
)
def test_what_opens_at_once_is_closed_at_the_next_look(
    keep: Built, fault: str, words: str, faults: Faults
) -> None:
    before = len(events(keep))
    with hammering(keep) as tried:
        began = time.monotonic()
        keep.host(fault)
        took = wait(words, lambda: happened(keep, "repaired", words, before))
        wait("open again", lambda: is_open(keep))
        mended = time.monotonic() - began
        time.sleep(1)
    print(f"{fault}: open for {tried.seconds():.2f} s, repaired after {took:.1f} s")
    # The control: the prober does get through when nothing is enforced.
    assert tried.hits
    assert tried.seconds() < SOON_S
    said = next(e["text"] for e in events(keep)[before:] if words in e["text"])
    says = f"{brief(said)}; open for {tried.seconds():.1f} s"
    faults.show("pf", f"`{fault}`", says, "the guard", detected_s=took, mended_s=mended)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "mend", "words"),
    [
        (
            (
                "echo 'rdr pass on bridge100 inet proto tcp to port 22 -> 192.168.64.1 port 22' |"
                " pfctl -a com.apple/vpn -f -"
            ),
            "pfctl -a com.apple/vpn -F nat",
            "com.apple/vpn: rdr pass on bridge100",
        ),
        (
            "echo 'set skip on bridge100' | pfctl -O -f -",
            "pfctl -O -f /dev/null",
            "pf does not look at bridge100",
        ),
    ],
    ids=["rdr pass", "set skip"],
)
def test_what_goes_by_all_rules_leaves_no_guest_running(
    keep: Built, fault: str, mend: str, words: str, faults: Faults
) -> None:
    rules = f"for a in {DOORS} {WALL}; do pfctl -a $a -sr; done 2>/dev/null"
    guard = "/Library/LaunchDaemons/com.nanoclaw.guard.plist"
    # The control: without the guard packets pass, and no rule shows why.
    shown = keep.host(rules).stdout
    keep.host(f"launchctl bootout system {guard}; {fault}")
    with hammering(keep) as tried:
        time.sleep(1)
    assert tried.hits
    assert keep.host(rules).stdout == shown
    assert keep.host(f"{mend}; launchctl bootstrap system {guard}").returncode == 0
    wait("open", lambda: is_open(keep))
    with hammering(keep) as tried:
        time.sleep(1)
    assert tried.hits == []
    before = len(events(keep))
    keep.host(fault)
    took = wait("seen", lambda: happened(keep, "failed", words, before))
    stopped = wait("stopped", lambda: happened(keep, "stopped", "", before))
    wait("down", lambda: not guest_is_up(keep))
    says = f"{words}; the guest is ended {stopped:.1f} s later"
    faults.show("pf", f"`{fault}`", says, "the operator", detected_s=took)
    assert keep.host(mend).returncode == 0
    wait("open again", lambda: is_open(keep))


def test_a_token_that_somebody_releases_is_taken_anew(keep: Built, faults: Faults) -> None:
    token = keep.host("cat /var/run/clawkeep/pf-token").stdout.strip()
    with hammering(keep) as tried:
        keep.host(f"pfctl -X {token}")
        ask = "/opt/clawkeep/bin/clawkeep enforce && pfctl -s References 2>/dev/null"
        holders = keep.host(ask).stdout
    new = keep.host("cat /var/run/clawkeep/pf-token").stdout.strip()
    assert new != token
    assert holders.count(" pfctl ") == 1
    assert new in holders
    assert tried.seconds() < SOON_S
    says = f"open for {tried.seconds():.1f} s"
    faults.show("pf", "our token is released (`pfctl -X`)", says, "the guard")


def test_a_bridge_whose_program_is_killed_comes_back(keep: Built, faults: Faults) -> None:
    find = "pgrep -f lpbridge-truenas-ssh | sort"
    pids = keep.host(find).stdout.split()
    assert pids
    with hammering(keep) as tried:
        assert keep.host(f"kill -9 {' '.join(pids)}").returncode == 0
        back = wait("the door", lambda: keep.guest(banner("192.168.64.1")).stdout == "b'SSH-'\n")
    assert not set(pids) & set(keep.host(find).stdout.split())
    assert tried.hits == []
    says = "nothing got through meanwhile"
    faults.show("bridge-killed", "SIGKILL for its program", says, "launchd", mended_s=back)


def test_a_guard_that_is_killed_leaves_the_rules_and_comes_back(
    keep: Built, faults: Faults
) -> None:
    find = "launchctl print system/com.nanoclaw.guard | sed -n 's/.*pid = //p'"
    pid = keep.host(find).stdout.strip()
    before = len(events(keep))
    with hammering(keep) as tried:
        assert keep.host(f"kill -9 {pid}").returncode == 0
        took = wait("another guard", lambda: happened(keep, "guard", "started", before))
    assert keep.host(find).stdout.strip() != pid
    assert tried.hits == []
    assert keep.host("ls -l /var/run/clawkeep/guard.sock").stdout.startswith("srw-------")
    says = "the rules stay in force; nothing got through"
    faults.show("watcher", "the guard is killed (SIGKILL)", says, "launchd", mended_s=took)


def test_nobody_but_the_owner_may_ask_the_guard(keep: Built) -> None:
    program = (
        "import socket; s = socket.socket(socket.AF_UNIX);"
        "s.connect('/var/run/clawkeep/guard.sock');"
        's.sendall(b\'{"ask": "check"}\\n\'); print(s.makefile().readline())'
    )
    ask = ["/opt/clawkeep/python/bin/python3", "-I", "-c", program]
    assert json.loads(keep.lab.exec("host", ask, user="operator").stdout)["ok"] is True
    assert "PermissionError" in keep.lab.exec("host", ask, user="_clawkeep").stderr


def test_a_guest_that_starts_again_gets_its_doors_and_is_never_open(
    keep: Built, faults: Faults
) -> None:
    before, began = len(events(keep)), time.monotonic()
    keep.host(f"{TART} exec {GUEST} /usr/bin/sudo -n /sbin/shutdown -h now")
    wait("closed", lambda: happened(keep, "closed", "", before))
    seen = time.monotonic() - began
    wait("a guest", lambda: guest_is_up(keep))
    with hammering(keep) as tried:
        wait("doors", lambda: is_open(keep))
    mended = time.monotonic() - began
    assert tried.hits == []
    kinds = [e["kind"] for e in events(keep)[before:] if e["kind"] in {"opened", "closed"}]
    assert kinds == ["closed", "opened"]
    says = "the guard closes all; nothing got through before the doors were there"
    faults.show(
        "guest-ends", "it shuts itself down", says, "launchd", detected_s=seen, mended_s=mended
    )


@pytest.mark.slow
def test_the_bridge_of_a_guest_that_moved_is_followed(keep: Built, faults: Faults) -> None:
    """Another gateway and another network, as macOS picks them when somebody has taken its own."""
    domain = "/Library/Preferences/SystemConfiguration/com.apple.vmnet.plist"
    keep.host(
        f"defaults write {domain} Shared_Net_Address -string 192.168.77.1;"
        f"defaults write {domain} Shared_Net_Mask -string 255.255.255.252"
    )
    began = time.monotonic()
    keep.host(f"{TART} exec {GUEST} /usr/bin/sudo -n /sbin/shutdown -h now")
    wait("moved", lambda: (record(keep).get("link") or {}).get("gateway") == "192.168.77.1")
    link = record(keep)["link"]
    assert (link["prefix"], link["guest"]) == ("30", "192.168.77.2")
    with hammering(keep, "192.168.77.1") as tried:
        wait("the door", lambda: keep.guest(banner("192.168.77.1")).stdout == "b'SSH-'\n")
    moved = time.monotonic() - began
    assert tried.hits == []
    says = "rules, doors and bridges are those of the new network; nothing got through"
    faults.show(
        "address",
        "another network, gateway and address after a restart",
        says,
        "the guard",
        mended_s=moved,
    )
    keep.host(f"defaults delete {domain}")
    keep.host(f"{TART} exec {GUEST} /usr/bin/sudo -n /sbin/shutdown -h now")
    wait("back", lambda: (record(keep).get("link") or {}).get("gateway") == "192.168.64.1")


@pytest.mark.slow
def test_another_guest_with_the_same_address_inherits_nothing(keep: Built, faults: Faults) -> None:
    agent = "/Users/operator/Library/LaunchAgents/com.nanoclaw.vm.plist"
    keep.host(f"launchctl bootout gui/501 {agent}")
    wait("closed", lambda: record(keep)["state"] == "closed")
    keep.host(f"{TART} clone {GUEST}-base other; {TART} set other --random-mac")
    keep.host(f"launchctl asuser 501 {TART} run --no-graphics other >/dev/null 2>&1 &")
    wait("it runs", lambda: keep.host(f"{TART} ip other --resolver=agent").returncode == 0)
    connect = "socket.create_connection(('192.168.64.1', {}), 2, ('192.168.64.2', 0))"
    script = (
        "ifconfig en0 alias 192.168.64.2 255.255.255.0;"
        f'python3 -c "import socket; {connect}; print(1)"'
    )

    def reaches(port: int) -> bool:
        done = keep.lab.exec("guest:other", ["/bin/sh", "-c", script.format(port)])
        assert "1" in done.stdout or "refused" in done.stderr, done.stderr
        return done.returncode == 0

    time.sleep(3)  # Two looks: time enough to take it for the keep's guest.
    assert not reaches(18022)
    assert not reaches(22)
    # The control: it speaks with that address when nothing is enforced.
    guard = "/Library/LaunchDaemons/com.nanoclaw.guard.plist"
    keep.host(f"launchctl bootout system {guard}; sleep 1; pfctl -d")
    assert reaches(22)
    keep.host(f"launchctl bootstrap system {guard}")
    wait("closed again", lambda: not reaches(22))
    keep.host(f"{TART} stop other; {TART} delete other")
    keep.host(f"launchctl bootstrap gui/501 {agent}")
    wait("doors", lambda: is_open(keep))
    says = "no door opens for it, whatever address it takes"
    faults.show("address", "another guest takes the keep's address", says)


@pytest.mark.slow
def test_a_leak_that_no_rule_shows_cuts_the_guest_off_until_somebody_says_so(
    keep: Built, faults: Faults
) -> None:
    """pf says that all is well and lets everything pass, as reported of several macOS versions."""
    before = len(events(keep))
    keep.host(f"cp /var/root/{Path(CANARY).name} {CANARY}")
    keep.host(f"{LINUX_NFT} flush ruleset")
    with hammering(keep) as open_:
        time.sleep(1)
    assert open_.hits
    looked = time.monotonic()
    keep.host("/opt/clawkeep/bin/clawkeep canary --scheduled")
    wait("cut off", lambda: happened(keep, "closed", "got through", before))
    took = time.monotonic() - looked
    with hammering(keep) as tried:
        time.sleep(1)
    assert tried.hits == []
    done = keep.clawkeep("status", "--json")
    assert (done.returncode, json.loads(done.stdout)["anchor"]) == (1, "cut")
    refused = keep.pyinfra("-y", "--data", "phase=network")
    assert refused.returncode == 1
    assert "got through" in refused.stderr
    assert record(keep)["state"] == "cut"
    assert keep.host("/opt/clawkeep/bin/clawkeep enforce --reopen").returncode == 0
    wait("open again", lambda: is_open(keep))
    keep.host(f"rm {CANARY}")
    assert keep.clawkeep("status").returncode == 0
    says = f"the canary, {took:.1f} s after it begins its next look; the guest is cut off"
    faults.show("pf", "pf says that all is well, and lets everything pass", says, "the operator")


def test_a_host_that_boots_is_closed_first_and_its_guest_gets_its_doors(
    keep: Built, faults: Faults
) -> None:
    began = time.monotonic()
    keep.lab.reboot(power_cut=True)
    wait("closed", lambda: record(keep).get("state") in {"closed", "open"})
    wait("a guest", lambda: guest_is_up(keep))
    with hammering(keep) as tried:
        wait("doors", lambda: is_open(keep))
    back = time.monotonic() - began
    assert tried.hits == []
    says = "all is closed before the guest starts; nothing got through"
    faults.show("bridge100", "it is late: the Mac's power is cut", says, "launchd", mended_s=back)


@pytest.mark.slow
def test_a_host_that_boots_without_a_guest_is_closed(keep: Built) -> None:
    agent = "/Users/operator/Library/LaunchAgents/com.nanoclaw.vm.plist"
    keep.host(f"mv {agent} {agent}.off")
    keep.lab.reboot()
    wait("closed", lambda: record(keep).get("state") == "closed")
    rules = keep.host(f"pfctl -a {DOORS} -sr 2>/dev/null").stdout
    assert "block return in quick on bridge100 inet all" in rules
    assert "Status: Enabled" in keep.host("pfctl -s info 2>/dev/null").stdout
    keep.host(f"mv {agent}.off {agent}; launchctl bootstrap gui/501 {agent}")
    wait("doors", lambda: is_open(keep))


@pytest.mark.slow
@pytest.mark.parametrize("value", ["0", "1"])
def test_forwarding_that_somebody_changes_is_noted(keep: Built, value: str, faults: Faults) -> None:
    """vmnet has it on while a guest shares, so it is 0 that must be planted first."""
    words = f"net.inet.ip.forwarding went from {1 - int(value)} to {value}"
    time.sleep(32)  # A full check: what was so with a guest of before tells nothing.
    before = len(events(keep))
    assert keep.host(f"sysctl -w net.inet.ip.forwarding={value}").returncode == 0
    took = wait("its event", lambda: happened(keep, "forwarding", words, before), 60)
    says = f"an alert: {words}; nothing of the guest's is routed either way"
    faults.show("forwarding", f"`sysctl -w net.inet.ip.forwarding={value}`", says, detected_s=took)


@pytest.mark.slow
def test_a_tart_that_does_not_know_our_options_starts_no_guest(keep: Built, faults: Faults) -> None:
    """As one before 2.30 answers: swift-argument-parser's words and status."""
    real = "/opt/homebrew/bin/tart"
    old = (
        '#!/bin/sh\ncase "$*" in run*--net-softnet-block*)\n'
        "  echo \"Error: Unknown option '--net-softnet-block'\" >&2; exit 64 ;; esac\n"
        f'exec {real}.new "$@"\n'
    )
    log = f"/Users/operator/Library/Logs/clawkeep/{GUEST}.log"
    keep.host(f"{TART} exec {GUEST} true; mv {real} {real}.new")
    put = ["/bin/sh", "-c", f"cat > {real}; chmod 755 {real}"]
    keep.lab.exec("host", put, input=old, check=True)
    try:
        noted, said = time.monotonic(), len(read(keep, log))
        keep.host(f"{TART} exec {GUEST} /usr/bin/sudo -n /sbin/shutdown -h now")
        wait("its refusal", lambda: "Unknown option" in read(keep, log)[said:], 60)
        took = time.monotonic() - noted
        wait("closed", lambda: record(keep)["state"] == "closed")
        until = time.monotonic() + 25  # launchd has tried twice more.
        while time.monotonic() < until:
            assert not guest_is_up(keep)
            time.sleep(0.5)
        assert keep.clawkeep("status").returncode != 0
    finally:
        keep.host(f"mv -f {real}.new {real}")
    wait("doors", lambda: is_open(keep))
    says = "its own words in the guest's log; without our walls no guest starts at all"
    faults.show(
        "versions", "a tart without `--net-softnet-block`", says, "the operator", detected_s=took
    )
