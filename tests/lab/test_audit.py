"""`clawkeep audit` names whatever somebody changed on a keep, and nothing on one that is whole."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

from tests.lab.keep import CHECKOUT, Built

pytestmark = pytest.mark.lab

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGV2ZWV2ZWV2ZWV2ZWV2ZWV2ZWV2ZWV2ZWV2ZWV2 eve@x"
POLICY = "/opt/clawkeep/etc/policy.json"
SQUID = "/opt/homebrew/opt/squid"
DOORS = "com.apple/000.clawkeep"
RULE = "pass in quick on bridge100 proto tcp from any to any port 9"
#: Whoever adds a rule to ours meets the guard, so it goes first.
EXTRA = "/Library/LaunchDaemons/com.example.extra.plist"
UNGUARDED = "launchctl bootout system/com.nanoclaw.guard; sleep 1; "

TAMPERED = {
    "host": f"""{UNGUARDED}
chmod 666 {POLICY}
launchctl bootout system/com.nanoclaw.hostlogs
dseditgroup -o edit -a _clawkeep -t user admin
ln -sfn ../Cellar/squid/0.1 {SQUID}
echo '{RULE}' > /tmp/rules; /sbin/pfctl -a {DOORS} -sr 2>/dev/null >> /tmp/rules
/sbin/pfctl -a {DOORS} -f /tmp/rules
cat > {EXTRA} <<'END'
<plist version="1.0"><dict><key>Label</key><string>com.example.extra</string>
<key>ProgramArguments</key><array><string>/opt/homebrew/bin/socat</string>
<string>TCP4-LISTEN:9999,fork</string><string>SYSTEM:true</string></array>
<key>RunAtLoad</key><true/></dict></plist>
END
launchctl bootstrap system {EXTRA}; sleep 1""",
    "guest": f"echo '{KEY}' >> /Users/claw/.ssh/authorized_keys",
}
NAMED = {
    f"host/file/{POLICY}": "mode 666",
    "host/job/com.nanoclaw.hostlogs": "not loaded",
    "host/job/com.nanoclaw.guard": "not loaded",
    "host/group/admin": "beyond that: _clawkeep",
    "host/formula/squid": "0.1, which has no receipt",
    f"host/rules/{DOORS}": "port = 9",
    "host/listeners/TCP": "tcp 0.0.0.0:9999 (socat, root)",
    "guest/lines/keys of claw": "eve@x",
}
MENDED = {
    "host": f"""launchctl bootout system/com.example.extra; rm {EXTRA}
dseditgroup -o edit -d _clawkeep -t user admin
ln -sfn ../Cellar/squid/$(ls /opt/homebrew/Cellar/squid) {SQUID}; chmod 644 {POLICY}
for j in guard hostlogs; do
  launchctl bootstrap system /Library/LaunchDaemons/com.nanoclaw.$j.plist; done
/opt/clawkeep/bin/clawkeep enforce""",
    "guest": "sed -i.bak /eve@x/d /Users/claw/.ssh/authorized_keys; "
    "rm /Users/claw/.ssh/authorized_keys.bak",
}


def audit(keep: Built, *words: str) -> tuple[int, dict[str, Any]]:
    done = keep.clawkeep("audit", "--json", *words)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def wrong(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in report["checks"] if one["state"] != "passed"}


@pytest.fixture(scope="module")
def tampered(keep: Built) -> tuple[int, dict[str, Any]]:
    """The audit of a keep that was whole when it was audited before, and then was not."""
    before = len(keep.lab.calls())
    status, report = audit(keep)
    assert (status, wrong(report)) == (0, {})
    # The canary's and the logs' calls are no changes: an audit looks, and changes nothing.
    assert keep.mutations(before) == []
    assert len({one["kind"] for one in report["checks"]}) >= 20
    assert report["round_trips"] <= 12
    keep.host(TAMPERED["host"])
    keep.guest(TAMPERED["guest"])
    return audit(keep)


def test_a_whole_keep_is_green_and_each_tamper_is_named(
    tampered: tuple[int, dict[str, Any]],
) -> None:
    status, report = tampered
    found = wrong(report)
    assert status == 1
    for name, words in NAMED.items():
        assert name in found, sorted(found)
        assert words in found[name]["found"], found[name]
        assert (found[name]["state"], found[name]["new"]) == ("failed", True)
        assert found[name]["last_well"]
    beyond = {name for name in found if name not in NAMED and not name.startswith("keep/")}
    # The rule opened something, so the proof fails too; the key is in a file whose hash is known.
    assert beyond == {"host/rules/all rules", "guest/file//Users/claw/.ssh/authorized_keys"}


def test_the_promises_that_rest_on_it_are_broken(tampered: tuple[int, dict[str, Any]]) -> None:
    broken = {name for name in wrong(tampered[1]) if name.startswith("keep/")}
    assert broken == {f"keep/policy/{name}" for name in ("bridges", "internet", "operator")}


def test_pytest_runs_the_same_checks(
    keep: Built, tampered: tuple[int, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    junit = tmp_path_factory.mktemp("junit") / "audit.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
               str(CHECKOUT / "tests" / "audit"), f"--hosts=lab://{keep.lab.name}",
               f"--junitxml={junit}"]  # fmt: skip
    done = subprocess.run(
        command, cwd=CHECKOUT, env=keep.variables(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stdout[-2000:] + done.stderr[-2000:]
    cases = list(Xml.parse(junit).getroot().iter("testcase"))
    failed = {
        str(case.get("name")).removeprefix("test_as_declared[").removesuffix("]")
        for case in cases
        if case.find("failure") is not None
    }
    assert (len(cases), failed) == (len(tampered[1]["checks"]), set(wrong(tampered[1])))


def test_what_is_mended_is_well_again(keep: Built, tampered: tuple[int, dict[str, Any]]) -> None:
    keep.host(MENDED["host"])
    keep.guest(MENDED["guest"])
    status, report = audit(keep, "--only", "*")
    assert (status, wrong(report)) == (0, {})
    assert set(NAMED) <= set(report["fixed"])
