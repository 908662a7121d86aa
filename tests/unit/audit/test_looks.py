"""Each kind of check is green when all is as declared, and red for each way in which it is not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from clawkeep import survey
from clawkeep.audit.check import Check, Machine, State
from clawkeep.audit.evaluate import judged
from clawkeep.audit.looks import LOOKS
from clawkeep.link import EXAMPLE
from clawkeep.policy import Door, Policy, grants_text, openings
from clawkeep.render import anchor
from tests.unit.audit.recorded import (
    ADMIN,
    DISABLED,
    LAUNCHD,
    LSOF,
    NOBODY,
    ON_A_TIMER,
    RECEIPT,
    VMS,
    Answers,
    recorded,
)

DIGEST = "a" * 64
FILE = {
    "path": "/f", "all": ["/f", "/g"], "type": "Regular File", "mode": "644", "user": "root",
    "group": "wheel", "sha256": DIGEST,
}  # fmt: skip
STAT = "Regular File|0644|root|wheel|/f\n"
HASH = f"{DIGEST}  /f\n"
FILE_WELL = {"stat": STAT, "shasum": HASH}
KEYS = {"path": "/k", "lines": ["ssh-ed25519 AAAAC3Nz me@mac"]}
JOB = {"label": "com.example.job", "arguments": ["/opt/example/bin/example", "run"], "stays": True}
JOB_WELL = {"launchctl print-disabled": DISABLED, "launchctl print": LAUNCHD}
JOBS = {"prefix": "com.nanoclaw.", "labels": ["com.nanoclaw.a"], "list": "launchctl list",
        "folders": ["/L"]}  # fmt: skip
JOBS_WELL = {
    "launchctl list": "1 0 com.nanoclaw.a\n2 0 com.apple.x\n",
    "find": "/L/com.apple.plist",
}
PERSON = {"user": "u", "shell": "/usr/bin/false", "home": "/var/empty", "password": False}
FORMULA = {"formula": "openai/tools/tart", "tap": "openai/tools", "least": "2.30.0"}
FORMULA_WELL = {"ls -d": "/opt/homebrew/Cellar/tart/2.35.0/INSTALL_RECEIPT.json",
                "readlink": "../Cellar/tart/2.35.0", "cat": RECEIPT}  # fmt: skip
RELEASE = {"command": "status", "spec": "s1"}
SAID = {"active": {"id": "r1"}, "releases": {"r1": {"spec": "s1"}}, "dirty": []}
LISTENER = {"host": "192.168.64.1", "port": 18443, "user": "_clawkeep"}
TEXTS = "p1\nn/sbin/launchd\np950\nn/opt/homebrew/bin/socat\n"
ARGS = """1 0 root Sat Nov 21 20:22:30 2026 /sbin/launchd
950 900 _clawkeep Sat Nov 21 20:22:30 2026 /opt/homebrew/bin/socat -lpbridge-vault TCP4-LISTEN:18443
"""
PS = {"ps -Aww": "", "LC_ALL=C ps": ARGS}
LISTENERS = {"known": ["192.168.64.1:18443"]}
LISTENERS_WELL = {"lsof -nP": LSOF, "lsof -a": TEXTS, **PS}
PROCESS = {"find": "-lpbridge-vault ", "args": "TCP4-LISTEN:18443$", "user": "_clawkeep"}
VM = {"name": "vm", "owner": "me", "state": "running", "size": [4, 8192, 50]}
TART = "sudo -n -H -u me /opt/homebrew/bin/tart"
VM_WELL = {f"{TART} list": VMS, f"{TART} get": '{"CPU":4,"Memory":8192,"Disk":50}'}
REACH = {"open": [["g", 1]], "closed": [["i", 2]], "every": [["g", 1], ["i", 2]]}
WHO = {"guest": "vm", "owner": "me", "owner_uid": 501, "owner_home": "/Users/me"}
CLOSED = Policy(digest="d", bridge_user="_clawkeep", **WHO)  # type: ignore[arg-type]
POLICY = replace(CLOSED, doors=(Door("vault", 18443, "10.0.0.5", 443),))
GRANT = Door("nas", 18500, "10.0.0.6", 443, until=2e9, since=1.0, who="me", reason="a file")


def surveyed(**parts: str) -> dict[str, str]:
    """What the host's survey says of a keep in force, `parts` of it otherwise."""
    well = dict.fromkeys(survey.PARTS, "") | {
        "info": "Status: Enabled",
        "main": 'anchor "com.apple/*" all',
        "doors": "\n".join(anchor.printed(anchor.anchor(openings(POLICY, now=1), EXAMPLE))),
        "wall": "\n".join(anchor.printed(anchor.wall())),
        "policy": POLICY.text(),
        "now": "1000000",
    }
    every = {**well, **{name.replace("_", "-"): text for name, text in parts.items()}}
    text = "".join(f"{survey.MARK} {name}\n{body}\n" for name, body in every.items())
    return {"echo '@@": text}


def rules(part: str) -> Mapping[str, Any]:
    return {"part": part, "policy": POLICY, "link": EXAMPLE}


DOORS = surveyed()["echo '@@"]
OPENED = "pass in quick on bridge100 inet proto tcp from any to any"

GREEN: list[tuple[str, Mapping[str, Any], Answers]] = [
    ("file", FILE, FILE_WELL),
    ("folder", {"path": "/d", "all": ["/d"], "type": "Directory", "mode": "755"},
     {"stat": "Directory|0755|me|staff|/d\n"}),
    ("secret", {"path": "/s", "all": ["/s"], "type": "Regular File", "mode": "600", "user": "root"},
     {"stat": "Regular File|0600|root|wheel|/s\n"}),
    ("nothing-else", {"folders": ["/d"], "known": ["/d/a", "/d/.*"]}, {"find": "/d/a\n/d/.new\n"}),
    ("lines", KEYS, {"cat": "# a comment\nssh-ed25519 AAAAC3Nz me@mac\n"}),
    ("lines", {"path": "/h", "lines": ["1 a # ours"], "mark": "# ours"},
     {"cat": "1 a # ours\n127.0.0.1 localhost\n"}),
    ("job", JOB, JOB_WELL),
    ("job", JOB | {"arguments": ["/opt/example/bin/\0", "run"]}, JOB_WELL),
    ("jobs", JOBS, JOBS_WELL),
    ("user", PERSON, {"dscl . -read": NOBODY}),
    ("users", {"known": ["me"]}, {"dscl . -list": "root 0\nme 501\nnobody 4294967294\n_x 300\n"}),
    ("group", {"group": "admin", "members": ["root", "me"]},
     {"dscl . -read": ADMIN, "dscl . -list": "root 0\n"}),
    ("formula", FORMULA, FORMULA_WELL),
    ("prints", {"command": "c", "pattern": "0+"}, {"c": "000\n"}),
    ("prints", {"command": "c", "has": ["a no", "b no"]}, {"c": "b no\nx\na no\n"}),
    ("release", RELEASE, {"status": json.dumps(SAID)}),
    ("listener", LISTENER, {"lsof": LSOF}),
    ("listeners", LISTENERS, LISTENERS_WELL),
    ("process", PROCESS, PS),
    ("vm", VM, VM_WELL),
    *(("rules", rules(part), surveyed())
      for part in ("enabled", "evaluated", "doors", "wall", "proof")),
    ("grants", {"policy": POLICY}, surveyed(grants=grants_text([GRANT]))),
    ("share", {"path": "/v", "is": "read-only"}, {"if": "read-only\n"}),
    ("reach", REACH, {"/usr/bin/python3": "[true, false]"}),
]  # fmt: skip

RED: list[tuple[str, Mapping[str, Any], Answers, str]] = [
    ("file", FILE, {"stat": ""}, "not there"),
    ("file", FILE, {"stat": STAT.replace("0644", "0777"), "shasum": HASH}, "mode 777"),
    ("file", FILE, {"stat": STAT.replace("root", "me"), "shasum": HASH}, "owner me"),
    ("file", FILE, {"stat": STAT.replace("wheel", "staff"), "shasum": HASH}, "group staff"),
    ("file", FILE, {"stat": STAT, "shasum": HASH.replace("a", "b")}, "other content"),
    ("file", FILE, {"stat": STAT.replace("Regular File", "Symbolic Link")}, "a symbolic link"),
    ("folder", {"path": "/d", "all": ["/d"], "type": "Directory", "mode": "755"},
     {"stat": "Directory|0777|me|staff|/d\n"}, "mode 777"),
    ("secret", {"path": "/s", "all": ["/s"], "type": "Regular File", "mode": "600", "user": "root"},
     {"stat": "Regular File|0644|root|wheel|/s\n"}, "mode 644"),
    ("nothing-else", {"folders": ["/d"], "known": ["/d/a"]}, {"find": "/d/a\n/d/b\n"}, "/d/b"),
    ("lines", KEYS, {"cat": "ssh-ed25519 AAAAC3Nz me@mac\nssh-rsa AAAAB3Nz eve@x\n"}, "eve@x"),
    ("lines", KEYS, {"cat": ""}, "missing: ssh-ed25519"),
    ("lines", KEYS, {"cat": (1, "")}, "not there"),
    ("job", JOB, {"launchctl print": (113, "")}, "not loaded"),
    ("job", JOB | {"arguments": ["/other"]}, JOB_WELL, "loaded with other arguments"),
    ("job", JOB, {"launchctl print-disabled": DISABLED.replace("enabled", "disabled"),
                  "launchctl print": LAUNCHD}, "disabled"),
    ("job", JOB, {"launchctl print-disabled": DISABLED, "launchctl print": ON_A_TIMER},
     "not running, last exit code 78"),
    ("jobs", JOBS, JOBS_WELL | {"launchctl list": "1 0 com.nanoclaw.b\n"}, "com.nanoclaw.b"),
    ("jobs", JOBS, JOBS_WELL | {"find": "/L/com.nanoclaw.c.plist\n"}, "com.nanoclaw.c"),
    ("user", PERSON, {"dscl . -read": (56, "")}, "no such user"),
    ("user", PERSON, {"dscl . -read": NOBODY.replace("/usr/bin/false", "/bin/zsh")}, "/bin/zsh"),
    ("user", PERSON, {"dscl . -read": NOBODY + "AuthenticationAuthority: ;ShadowHash;\n"},
     "has a password"),
    ("user", PERSON | {"group": "g"},
     {"dscl . -read /Users": NOBODY, "dscl . -read /Groups": ADMIN}, "its group is number 700"),
    ("users", {"known": ["me"]}, {"dscl . -list": "me 501\neve 502\n"}, "eve"),
    ("group", {"group": "admin", "members": ["root"]},
     {"dscl . -read": ADMIN, "dscl . -list": "root 0\n"}, "beyond that: me"),
    ("group", {"group": "admin", "members": ["root", "me", "you"]},
     {"dscl . -read": ADMIN, "dscl . -list": "root 0\n"}, "missing: you"),
    ("group", {"group": "g", "members": []}, {"dscl . -read": (56, "")}, "no such group"),
    ("formula", FORMULA, FORMULA_WELL | {"ls -d": ""}, "not installed"),
    ("formula", FORMULA, FORMULA_WELL | {"readlink": "/tmp/x"}, "leads to no keg"),
    ("formula", FORMULA, FORMULA_WELL | {"readlink": "../Cellar/tart/9.9"}, "has no receipt"),
    ("formula", FORMULA, FORMULA_WELL | {"cat": RECEIPT.replace("openai", "eve")}, "eve/tools"),
    ("formula", FORMULA | {"least": "2.36"}, FORMULA_WELL, "2.35.0"),
    ("prints", {"command": "c", "pattern": "0+"}, {"c": "001\n"}, "001"),
    ("prints", {"command": "c", "has": ["a no"]}, {"c": "a yes\n"}, "not a no"),
    ("prints", {"command": "c", "status": 0}, {"c": (1, "")}, "exit status 1"),
    ("release", RELEASE, {"status": json.dumps(SAID | {"dirty": ["dist/index.js"]})}, "changed"),
    ("release", RELEASE | {"spec": "s2"}, {"status": json.dumps(SAID)}, "another declaration"),
    ("release", RELEASE, {"status": json.dumps(SAID | {"active": {"id": ""}})}, "no release"),
    ("listener", LISTENER | {"port": 1}, {"lsof": LSOF}, "nothing listens"),
    ("listener", LISTENER | {"user": "_other"}, {"lsof": LSOF}, "_clawkeep"),
    ("listeners", {"known": []}, LISTENERS_WELL, "192.168.64.1:18443 (socat, _clawkeep)"),
    ("listeners", LISTENERS, LISTENERS_WELL | {"lsof -a": TEXTS.replace("/sbin/launchd",
     "/usr/bin/nc")}, "0.0.0.0:22"),
    ("listeners", LISTENERS, LISTENERS_WELL | {"lsof -a": "p950\nn/x\n"}, "0.0.0.0:22"),
    ("process", PROCESS | {"find": "-lpbridge-nas "}, PS, "no such process"),
    ("process", PROCESS | {"args": "range=192.168.64.2/32$"}, PS, "pid 950 runs"),
    ("process", PROCESS | {"user": "root"}, PS, "_clawkeep's"),
    ("vm", VM | {"name": "vm-base"}, VM_WELL, "stopped"),
    ("vm", VM | {"name": "gone"}, VM_WELL, "absent"),
    ("vm", VM | {"size": [8, 8192, 50]}, VM_WELL, "4 CPU"),
    ("rules", rules("enabled"), surveyed(info="Status: Disabled"), "pf is disabled"),
    ("rules", rules("evaluated"), surveyed(main='anchor "com.apple.x" all'), "no line"),
    ("rules", rules("doors"), surveyed(doors=OPENED), "beyond that: pass in quick"),
    ("rules", rules("wall"), surveyed(wall=""), "missing"),
    ("rules", rules("proof"), surveyed(main=f'{OPENED}\nanchor "com.apple/*" all'), "pass"),
    ("grants", {"policy": POLICY}, surveyed(grants="{"), "grants"),
    ("share", {"path": "/v", "is": "read-only"}, {"if": "writable\n"}, "writable"),
    ("share", {"path": "/v", "is": "writable"}, {"if": "absent\n"}, "absent"),
    ("reach", REACH, {"/usr/bin/python3": "[true, true]"}, "reached i:2"),
]  # fmt: skip

UNKNOWN: list[tuple[str, Mapping[str, Any], Answers, str]] = [
    ("file", FILE, {"stat": STAT, "shasum": ""}, "could not be read"),
    ("job", JOB, {"launchctl print-disabled": DISABLED, "launchctl print": "x = {\n}\n"},
     "does not say what it runs"),
    ("job", JOB, {"launchctl print": (255, "")}, "could not be read"),
    ("release", RELEASE, {"status": "{}"}, "did not answer"),
    ("rules", rules("doors"), {"echo '@@": ""}, "pfctl did not answer"),
    ("grants", {"policy": POLICY}, {"echo '@@": ""}, "cannot be read"),
    ("vm", VM, {"sudo": (1, "")}, "could not be read"),
    ("listeners", LISTENERS, LISTENERS_WELL | {"lsof -a": ""}, "programs"),
    ("reach", REACH, {"/usr/bin/python3": "[false, false]"}, "proves nothing"),
    ("reach", REACH, {"/usr/bin/python3": "[true]"}, "otherwise than asked"),
    ("reach", REACH, {"/usr/bin/python3": "\x1b[2J"}, "could not be read"),
]  # fmt: skip


def outcome(kind: str, expected: Mapping[str, Any], answers: Answers) -> tuple[State, str]:
    found = judged(recorded(answers), Check(Machine.HOST, kind, "it", "so", expected))
    return found.state, found.found


@pytest.mark.parametrize(("kind", "expected", "answers"), GREEN)
def test_green(kind: str, expected: Mapping[str, Any], answers: Answers) -> None:
    assert outcome(kind, expected, answers)[0] is State.PASSED, outcome(kind, expected, answers)


@pytest.mark.parametrize(("kind", "expected", "answers", "words"), RED)
def test_red(kind: str, expected: Mapping[str, Any], answers: Answers, words: str) -> None:
    state, found = outcome(kind, expected, answers)
    assert (state, words in found) == (State.FAILED, True), (state, found)


@pytest.mark.parametrize(("kind", "expected", "answers", "words"), UNKNOWN)
def test_cannot_tell(kind: str, expected: Mapping[str, Any], answers: Answers, words: str) -> None:
    state, found = outcome(kind, expected, answers)
    assert (state, words in found) == (State.UNKNOWN, True), (state, found)


def test_every_kind_has_a_case_that_makes_it_red_and_one_that_makes_it_green() -> None:
    assert {row[0] for row in GREEN} == {row[0] for row in RED} == set(LOOKS)


def test_a_grant_on_record_is_declared_until_it_ends() -> None:
    granted = grants_text([replace(GRANT, port=18443)])
    expected = {"known": [], "policy": CLOSED, "gateway": "192.168.64.1"}
    for now, state in (("1000000", State.PASSED), ("3000000000", State.FAILED)):
        answers = LISTENERS_WELL | surveyed(grants=granted, now=now)
        assert outcome("listeners", expected, answers)[0] is state


def test_a_machine_cannot_write_to_the_terminal() -> None:
    _, found = outcome("prints", {"command": "c", "pattern": "x"}, {"c": "\x1b[31mred\u202e"})
    assert found == "?[31mred?"
