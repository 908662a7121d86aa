"""`clawkeep doctor`: from what a host and its guest answer to rows, verdict and exit status."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from clawkeep import cli, declared, survey
from clawkeep.batch import script
from clawkeep.doctor.gather import parse
from clawkeep.skills.wanted import wanted
from clawkeep.status import kept
from clawkeep.target import Target
from clawkeep.transport import TransportError

HASH = "a" * 64
PLIST = "<key>TART_NO_AUTO_PRUNE</key>\n<string>1</string>\n"
POWER = "Battery Power:\n sleep 5\nAC Power:\n sleep 0 (by caffeinate)\n disksleep 0\n"
ROUTE = "   route to: 192.168.64.5\ndestination: 192.168.64.0\n  interface: bridge100\n"
VMS = [{"Source": "local", "Name": "nanoclaw-vm", "Disk": 50, "State": "running"}]
DF = "/dev/disk3s5 971350180 1 {} 45% /System/Volumes/Data\n"

WELL = {
    "macOS": "15.7.1\n",
    "chip": "arm64\n",
    "sudo": "",
    "Homebrew": "",
    "Tart": "2.9.0\n2.35.0\n",
    "Softnet": "0.22.0\n",
    "Softnet, root's copy": f"{HASH}\n{HASH}\n4750 root admin\n",
    "automatic login": "me\nme\n600 root\n",
    "login session": "",
    "FileVault": "FileVault is Off.\n",
    "sleep": POWER + " autorestart 1\n",
    "free disk": DF.format(100_000_000),
    "pf enabled": "Status: Enabled for 0 days 01:00:00\n",
    "pf main ruleset": 'scrub-anchor "com.apple/*" all\nanchor "com.apple/*" all\n',
    "guest's network": ROUTE,
    "other VMs": "/sbin/launchd\n/opt/homebrew/bin/tart run nanoclaw-vm --no-graphics\n",
    "TART_NO_AUTO_PRUNE": PLIST,
    "Metal": "    Apple M4:\n      Metal Support: Metal 3\n",
}
GUEST_WELL = {
    "SIP": "System Integrity Protection status: disabled.\n",
    "automatic login": "admin\nclaw\n600 root\n",
    "Python": "3.9.6\n",
    "node@22": "v22.14.0\n",
}
BAD: list[tuple[str, str, int]] = [
    ("macOS", "14.7\n", 0),
    ("chip", "x86_64\n", 0),
    ("sudo", "", 1),
    ("Homebrew", "", 1),
    ("Tart", "2.9.0\n", 0),
    ("Tart", "", 0),
    ("Softnet", "0.18.0\n", 0),
    ("Softnet, root's copy", f"{HASH}\n", 1),
    ("Softnet, root's copy", "", 1),
    ("Softnet, root's copy", f"{HASH}\n{'b' * 64}\n4750 root admin\n", 0),
    ("Softnet, root's copy", f"{HASH}\n{HASH}\n0755 root admin\n", 0),
    ("automatic login", "me\n\n600 root\n", 0),
    ("automatic login", "me\nsomebody\n600 root\n", 0),
    ("automatic login", "me\nme\n644 root\n", 0),
    ("automatic login", "me\nme\nnone\n", 0),
    ("login session", "", 113),
    ("FileVault", "FileVault is On.\n", 0),
    ("sleep", POWER.replace("disksleep 0", "disksleep 10") + " autorestart 1\n", 0),
    ("sleep", POWER + " autorestart 0\n", 0),
    ("free disk", DF.format(50_000_000), 0),
    ("free disk", DF.format(10_000_000) + "there\n", 0),
    ("pf enabled", "Status: Disabled for 0 days 01:00:00\n", 0),
    # The line of macOS's own sharing is another anchor, and looks much the same.
    ("pf main ruleset", 'anchor "com.apple.internet-sharing" all\n', 0),
    ("pf main ruleset", "", 0),
    ("guest's network", ROUTE.replace("bridge100", "utun4"), 0),
    ("other VMs", "/Applications/UTM.app/Contents/MacOS/UTM\n", 0),
    ("other VMs", "tart run one\n/opt/homebrew/bin/tart run two\n", 0),
    ("TART_NO_AUTO_PRUNE", "<plist></plist>\n", 0),
    ("Metal", "    Display:\n      VRAM: 3 MB\n", 0),
]
UNKNOWN: list[tuple[str, str, int]] = [
    ("macOS", "", 127),
    ("chip", "", 127),
    ("sudo", "", 127),
    ("Softnet, root's copy", "", 127),
    ("Softnet, root's copy", f"{HASH}\n4750 root admin\n", 0),
    ("automatic login", "me\nme\n", 1),
    ("FileVault", "", 1),
    ("sleep", POWER, 0),
    ("sleep", "", 127),
    ("free disk", "", 1),
    ("pf enabled", "", 1),
    ("pf main ruleset", "", 1),
    ("guest's network", "", 1),
    ("other VMs", "", 1),
    ("TART_NO_AUTO_PRUNE", "", 1),
    ("Metal", "", 1),
]
STILL_WELL: list[tuple[str, str, int]] = [
    ("free disk", DF.format(50_000_000) + "there\n", 0),
    ("guest's network", "destination: default\n  interface: en0\n", 0),
    ("other VMs", "/opt/homebrew/bin/tart run second\n", 0),
    ("other VMs", "clawkeep supervise nanoclaw-vm -- tart run nanoclaw-vm\n", 0),
]


class Machines:
    """A host and its guest that answer each question as they are told; None: not at all."""

    def __init__(self) -> None:
        listing = {"its VMs": json.dumps(VMS), "its address": "192.168.64.5 agent\n"}
        self.on_host: dict[str, tuple[str, int] | None] = {
            name: (text, 0) for name, text in (WELL | listing).items()
        }
        self.in_guest: dict[str, tuple[str, int] | None] = {
            name: (text, 0) for name, text in (GUEST_WELL | {"its proofs": "{}"}).items()
        }
        self.trips: list[str] = []

    def answer(self, where: str, asked: str) -> str:
        self.trips.append(where)
        found = re.search("@@[0-9a-f]+@@", asked)
        assert found, asked
        answers = self.on_host if where == "host" else self.in_guest
        return "".join(
            f"{found[0]} {name}\n{said[0]}\n{found[0]}={said[1]}\n"
            for name, said in answers.items()
            if said is not None
        )

    def run(self, script: str, timeout_s: float) -> str:
        assert timeout_s > 0
        return self.answer("host", script)

    def guest(self, name: str, address: str) -> Machines:
        assert (name, address) == ("nanoclaw-vm", "192.168.64.5")
        return self

    def close(self) -> None: ...


@pytest.fixture
def machines(project: Path, monkeypatch: pytest.MonkeyPatch) -> Machines:
    assert project.is_dir()
    made = Machines()
    monkeypatch.setattr("clawkeep.cli.here.target", lambda: Target("mini", "mini"))
    monkeypatch.setattr("clawkeep.doctor.gather.HostSession", lambda _: made)
    monkeypatch.setattr(
        "clawkeep.doctor.gather.exchange", lambda _c, _p, text, *_: made.answer("guest", text)
    )
    return made


def doctor(capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, dict[str, Any]]]:
    """Run the verb; return its exit status, and the rows by `where/name`."""
    status = cli.main(["doctor", "--json"])
    rows = json.loads(capsys.readouterr().out)["rows"]
    return status, {f"{row['where']}/{row['name']}": row for row in rows}


def not_ok(rows: Mapping[str, dict[str, Any]]) -> dict[str, str]:
    return {name: row["verdict"] for name, row in rows.items() if row["verdict"] != "ok"}


def test_a_mac_as_it_should_be_is_ok_after_one_question_to_each_machine(
    machines: Machines, capsys: pytest.CaptureFixture[str]
) -> None:
    status, rows = doctor(capsys)
    assert (status, not_ok(rows)) == (0, {}), rows
    assert rows.keys() == {f"host/{n}" for n in WELL} | {f"guest/{n}" for n in GUEST_WELL}
    assert {row["fix"] for row in rows.values()} == {""}
    assert machines.trips == ["host", "guest"]


@pytest.mark.parametrize(
    ("severity", "verdict", "fix"), [("info", "ok", ""), ("warning", "bad", "clawkeep alert")]
)
def test_what_stands_and_what_is_left_is_a_row_with_what_shows_more(
    machines: Machines, capsys: pytest.CaptureFixture[str], severity: str, verdict: str, fix: str
) -> None:
    now = int(time.time())
    row = {"key": "backup-late", "severity": severity, "text": "late", "since": now - 60}
    said = dict.fromkeys(kept.PARTS, "") | {
        "alerts": json.dumps({"t": now, "hooks": 1, "standing": [row]}),
        "jobs": "55\t0\tcom.nanoclaw.alerts\n",
        "update": "{",
        "now": f"{now}\n",
    }
    text = "".join(f"{survey.MARK} {name}\n{body}\n" for name, body in said.items())
    machines.on_host["its records"] = (text, 0)
    _, rows = doctor(capsys)
    assert (rows["host/alerts"]["verdict"], rows["host/alerts"]["fix"]) == (verdict, fix)
    assert rows["host/update"]["verdict"] == "bad"
    assert "damaged" in rows["host/update"]["value"]
    assert machines.trips == ["host", "guest"]


@pytest.mark.parametrize(
    ("name", "text", "exits", "verdict"),
    [(*one, "bad") for one in BAD] + [(*one, "unknown") for one in UNKNOWN],
)
def test_exactly_the_row_that_is_not_ok_says_so_and_names_its_fix(
    machines: Machines,
    capsys: pytest.CaptureFixture[str],
    name: str,
    text: str,
    exits: int,
    verdict: str,
) -> None:
    machines.on_host[name] = (text, exits)
    status, rows = doctor(capsys)
    assert not_ok(rows) == {f"host/{name}": verdict}, rows[f"host/{name}"]
    assert rows[f"host/{name}"]["fix"]
    assert status == {"bad": 1, "unknown": 2}[verdict]


@pytest.mark.parametrize(("name", "text", "exits"), STILL_WELL)
def test_what_only_looks_wrong_is_ok(
    machines: Machines, capsys: pytest.CaptureFixture[str], name: str, text: str, exits: int
) -> None:
    machines.on_host[name] = (text, exits)
    assert doctor(capsys)[0] == 0


@pytest.mark.parametrize(
    ("name", "text", "verdict"),
    [
        ("SIP", "status: unknown (Custom Configuration).\n", "unknown"),
        ("automatic login", "admin\nadmin\n600 root\n", "bad"),
        ("automatic login", "admin\nclaw\n", "unknown"),
        ("Python", "3.8.2\n", "bad"),
        ("Python", "", "unknown"),
        ("node@22", "v20.1.0\n", "bad"),
        ("node@22", "", "unknown"),
    ],
)
def test_the_guest_is_judged_likewise(
    machines: Machines, capsys: pytest.CaptureFixture[str], name: str, text: str, verdict: str
) -> None:
    machines.in_guest[name] = (text, 0)
    assert not_ok(doctor(capsys)[1]) == {f"guest/{name}": verdict}


@pytest.mark.parametrize(("where", "name"), [("host", n) for n in WELL] + [("guest", "SIP")])
def test_a_question_without_an_answer_is_unknown(
    machines: Machines, capsys: pytest.CaptureFixture[str], where: str, name: str
) -> None:
    (machines.on_host if where == "host" else machines.in_guest)[name] = None
    status, rows = doctor(capsys)
    assert (status, not_ok(rows)) == (2, {f"{where}/{name}": "unknown"})


def test_a_machine_without_apples_tools_needs_a_mac(
    machines: Machines, capsys: pytest.CaptureFixture[str]
) -> None:
    machines.on_host["Metal"] = ("", 127)
    status, rows = doctor(capsys)
    assert (status, not_ok(rows)) == (2, {"host/Metal": "needs a Mac"})


def test_a_guest_that_does_not_run_is_unknown_and_the_host_is_judged(
    machines: Machines, capsys: pytest.CaptureFixture[str]
) -> None:
    machines.on_host["its VMs"] = ("[]", 0)
    status, rows = doctor(capsys)
    assert not_ok(rows) == {f"guest/{name}": "unknown" for name in GUEST_WELL}
    assert "does not run" in rows["guest/SIP"]["value"]
    assert status == 2


def test_a_host_that_does_not_answer_leaves_every_row_unknown(
    machines: Machines, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_: object) -> str:
        raise TransportError("mini: no answer in 30 s")

    monkeypatch.setattr(machines, "run", silent)
    status, rows = doctor(capsys)
    assert {row["verdict"] for row in rows.values()} == {"unknown"}
    assert len(rows) == len(WELL) + len(GUEST_WELL)
    assert status == 2


def test_skills_that_only_a_mac_proves_are_rows_with_their_own_check(
    machines: Machines, capsys: pytest.CaptureFixture[str], project: Path
) -> None:
    values = project / "group_data" / "all.py"
    values.write_text(values.read_text() + 'skills = {"say": {}, "calendar": {"tcc": "write"}}\n')
    proof = {"state": "needs a Mac", "evidence": "\x1b[2Jno voice", "at": 1, "measured": {}}
    digests = {one.name: one.digest for one in wanted(declared.keep())}
    declared.keep.cache_clear()
    machines.in_guest["its proofs"] = (json.dumps({"say": proof | {"digest": digests["say"]}}), 0)
    machines.in_guest["SIP"] = ("System Integrity Protection status: enabled.\n", 0)
    status, rows = doctor(capsys)
    assert not_ok(rows) == {
        "guest/SIP": "bad",
        "skill/say": "needs a Mac",
        "skill/calendar": "unknown",
    }
    assert rows["skill/say"]["value"] == "?[2Jno voice"
    assert rows["skill/say"]["fix"] == "clawkeep skills --probe say"
    assert status == 1
    done = {"say": proof | {"digest": digests["say"], "state": "ok"}}
    machines.in_guest["its proofs"] = (json.dumps(done), 0)
    assert "skill/say" not in doctor(capsys)[1]


def test_the_lines_for_a_terminal_name_the_fix_below_the_row(
    machines: Machines, capsys: pytest.CaptureFixture[str]
) -> None:
    machines.on_host["FileVault"] = ("FileVault is On.\n", 0)
    assert cli.main(["doctor"]) == 1
    said = capsys.readouterr()
    lines = said.out.splitlines()
    (at,) = [n for n, line in enumerate(lines) if line.startswith("bad")]
    assert lines[at].split(maxsplit=3)[1:] == ["host", "FileVault", "FileVault is On."]
    assert lines[at + 1].strip() == "-> sudo fdesetup disable"
    assert "something is bad" in said.err


def test_no_question_can_answer_for_another_or_end_the_script() -> None:
    asked = {"one's": "exit 3", "two": "cat; printf 'no end'", "three": "no-such-command-here"}
    done = subprocess.run(
        ["/bin/sh", "-s"], input=script(asked, "@@x@@"), capture_output=True, text=True, check=True
    )
    found = parse(done.stdout, "@@x@@")
    assert {name: (a.text, a.status) for name, a in found.items()} == {
        "one's": ("", 3),
        "two": ("no end", 0),
        "three": ("", 127),
    }
    assert parse(done.stdout.rpartition("@@x@@=")[0], "@@x@@").keys() == {"one's", "two"}
