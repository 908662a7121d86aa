"""Skills that bring packages or mail, and those that only a Mac can prove."""

from __future__ import annotations

import json
import shlex

import pytest

from lab.services import mail
from tests.lab.guarding import wait
from tests.lab.keep import Built
from tests.lab.skilled import EGRESS, Skilled

pytestmark = [pytest.mark.lab, pytest.mark.slow]

CERTIFI = "/opt/homebrew/var/clawkeep/venv/lib/python3*/site-packages/certifi/cacert.pem"
OPEN = f'{EGRESS}egress["domains"] = ["speech.platform.bing.com"]\n'
DOOR = """
  - {name: imap, port: 18993, target: '10.0.30.25:993', kind: tls, server_name: mail.lab.internal}
  - {name: smtp, port: 18465, target: '10.0.30.25:465', kind: tls, server_name: mail.lab.internal}
"""
SENDING = {"password": "env:MAIL_LAB", "smtp": "smtp"}
SKILLS = {
    "agent_clis": {"gemini": "0.61.0"},
    "calendar": {"tcc": "write", "clients": ["/usr/bin/osascript"]},
    "edge_tts": {"version": "7.3.1"},
    "himalaya": {"email": mail.USER, **SENDING},
    "reminders": {},
    "say": {},
}
PROVED = {"agent_clis": "ok", "edge_tts": "ok", "himalaya": "ok"}
NEEDS_A_MAC = ("calendar", "reminders", "say")


@pytest.fixture(scope="module")
def skilled(keep: Built) -> Skilled:
    keep.allowlist((keep.project / "allowlist.yml").read_text() + DOOR)
    made = Skilled(keep, {"MAIL_LAB": mail.PASSWORD})
    made.declare({"edge_tts": SKILLS["edge_tts"]}, OPEN)
    made.apply("network,skills")
    # edge-tts trusts the certificates of certifi alone, which knows nothing of a lab.
    done = keep.guest(f"tee -a {CERTIFI} < /etc/ssl/cert.pem")
    assert done.returncode == 0, done.stderr
    made.declare(SKILLS, OPEN)
    made.apply()
    return made


def test_what_linux_can_tell_is_green_and_the_rest_needs_a_mac(skilled: Skilled) -> None:
    status, rows = skilled.matrix()
    found = {name: row["proof"] for name, row in rows.items()}
    assert found == PROVED | dict.fromkeys(NEEDS_A_MAC, "needs a Mac"), json.dumps(rows, indent=2)
    assert all(row["installed"] and row["configured"] for row in rows.values())
    assert status == 2
    assert rows["himalaya"]["evidence"] == (
        f"logged in as {mail.USER}: IMAP, 1 messages in INBOX, SMTP, may send as {mail.USER}"
    )
    assert rows["agent_clis"]["evidence"] == "gemini 0.61.0"


def test_a_second_run_changes_nothing_and_asks_no_index(skilled: Skilled) -> None:
    assert any("npm.lab.internet" in visit for visit in skilled.index_visits())
    visits, calls = len(skilled.built.lab.visits()), len(skilled.built.lab.calls())
    said = skilled.apply("skills", "-v")
    assert skilled.index_visits(visits) == []
    assert skilled.package_calls(calls) == []
    assert skilled.built.mutations(calls) == []
    assert "6 skills are proved, or only a Mac can tell" in said


INSTEAD = (
    "printf '#!/bin/sh\\n%s\\n' '{1}' > {0}.new; chmod 755 {0}.new; mv {0} {0}.was; mv {0}.new {0}"
)
HANGS, FAILS = INSTEAD.replace("{1}", "exec sleep 60"), INSTEAD.replace("{1}", "exit 3")
BACK = "rm {0}; mv {0}.was {0}"
REDS = {
    "calendar": (HANGS, "/usr/bin/osascript", "no answer in 20 s: macOS probably asks"),
    "reminders": (HANGS, "/opt/homebrew/bin/remindctl", "no answer in 20 s: macOS probably asks"),
    "say": (FAILS, "/usr/bin/say", "say: exit status 3"),
    "agent_clis": (FAILS, "/opt/homebrew/bin/gemini", "gemini: exit status 3"),
    "edge_tts": (FAILS, "/opt/homebrew/var/clawkeep/venv/bin/edge-tts", "edge-tts: exit status 3"),
    "agent_clis, another version": (
        INSTEAD.replace("{1}", "echo 0.60.9"),
        "/opt/homebrew/bin/gemini",
        "gemini says it is 0.60.9, expected 0.61.0",
    ),
    "himalaya, another CA": (
        "mv {0} {0}.was; openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=x -keyout k -out {0}",
        "/etc/ssl/cert.pem",
        "CERTIFICATE_VERIFY_FAILED",
    ),
    "himalaya": (
        "cp -p {0} {0}.was; echo wrong > {0}",
        "/Users/claw/.config/clawkeep/mail.password",
        "AUTHENTICATIONFAILED",
    ),
}


@pytest.mark.parametrize("case", REDS)
def test_a_probe_turns_red_and_back(skilled: Skilled, case: str) -> None:
    change, path, expected = REDS[case]
    name = case.partition(",")[0]
    done = skilled.built.guest(change.format(path))
    assert done.returncode == 0, done.stderr
    state, evidence = skilled.probe(name)
    skilled.built.guest(BACK.format(path))
    assert (state, expected in evidence) == ("failed", True), evidence
    assert skilled.probe(name)[0] == PROVED.get(name, "needs a Mac")


@pytest.mark.parametrize("door", ["imap", "smtp"])
def test_a_closed_bridge_to_the_mail_server_is_red(skilled: Skilled, door: str) -> None:
    job = f"com.nanoclaw.bridge.{door}"
    skilled.built.host(f"launchctl bootout system/{job}")
    state, evidence = skilled.probe("himalaya")
    assert (state, evidence.startswith(f"{door} at mail.lab.internal:")) == ("failed", True)
    skilled.built.host(f"launchctl bootstrap system /Library/LaunchDaemons/{job}.plist")
    wait(f"{door} is open", lambda: skilled.probe("himalaya")[0] == "ok")


def test_a_sender_that_is_not_the_users_is_red(skilled: Skilled) -> None:
    another = {"email": "keeper@elsewhere.example", "login": mail.USER, **SENDING}
    skilled.declare({**SKILLS, "himalaya": another}, OPEN)
    said = skilled.apply()
    row = skilled.matrix()[1]["himalaya"]
    assert row["proof"] == "failed"
    assert "smtp: 553 5.7.1" in row["evidence"]
    assert "skill himalaya: failed: smtp: 553" in said
    skilled.declare(SKILLS, OPEN)
    skilled.apply()
    assert skilled.matrix()[1]["himalaya"]["proof"] == "ok"


DATABASE = "/Users/claw/Library/Application Support/com.apple.TCC/TCC.db"
COLUMNS = """
service TEXT NOT NULL, client TEXT NOT NULL, client_type INTEGER NOT NULL, auth_value INTEGER NOT
NULL, auth_reason INTEGER NOT NULL, auth_version INTEGER NOT NULL, csreq BLOB, policy_id INTEGER,
indirect_object_identifier_type INTEGER, indirect_object_identifier TEXT NOT NULL DEFAULT 'UNUSED',
indirect_object_code_identity BLOB, flags INTEGER, last_modified INTEGER NOT NULL DEFAULT 0, pid
INTEGER, pid_version INTEGER, boot_uuid TEXT NOT NULL DEFAULT 'UNUSED', last_reminded INTEGER NOT
NULL DEFAULT 0
"""


def of_tcc(skilled: Skilled, statement: str) -> str:
    """Run a statement on the database, as the user whose it is."""
    program = (
        f"import os, sqlite3; os.makedirs(os.path.dirname({DATABASE!r}), exist_ok=True); "
        f"d = sqlite3.connect({DATABASE!r}); print(d.execute({statement!r}).fetchall()); d.commit()"
    )
    done = skilled.guest(f"/usr/bin/python3 -c {shlex.quote(program)}")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_rows_of_tcc_are_written_when_the_database_is_there_and_go_with_the_skill(
    skilled: Skilled,
) -> None:
    assert "TCC: nothing was written: there is no TCC.db" in skilled.apply("skills", "-v")
    # As the user's first login at the screen leaves it.
    of_tcc(skilled, f"create table access ({COLUMNS})")
    assert "TCC: 2 rows written, 0 taken back" in skilled.apply("skills", "-v")
    rows = "select service, indirect_object_identifier from access order by service"
    assert of_tcc(skilled, rows) == (
        "[('kTCCServiceAppleEvents', 'com.apple.iCal'), ('kTCCServiceCalendar', 'UNUSED')]"
    )
    assert "2 rows of TCC are as asked for" in skilled.apply("skills", "-v")
    skilled.built.guest("echo enabled > /private/var/db/lab-sip")
    skilled.declare({**SKILLS, "calendar": {}}, OPEN)
    assert "System Integrity Protection status: enabled. TCC.db is written only where it is" in (
        skilled.apply("skills", "-v")
    )
    skilled.built.guest("echo disabled > /private/var/db/lab-sip")
    assert "TCC: 0 rows written, 2 taken back" in skilled.apply("skills", "-v")
    assert of_tcc(skilled, rows) == "[]"
    skilled.declare(SKILLS, OPEN)
    skilled.apply()


def test_a_run_that_is_killed_while_npm_installs_is_finished_by_the_next(skilled: Skilled) -> None:
    folder = "/opt/homebrew/var/clawkeep/npm/google-gemini-cli"
    skilled.built.guest(f"rm -rf {folder} /opt/homebrew/bin/gemini")
    assert skilled.matrix()[1]["agent_clis"]["installed"] is False
    skilled.killed(f"-d {folder}.new", "--data", "phase=skills")
    assert skilled.matrix()[1]["agent_clis"]["verdict"] == "ill"
    skilled.apply()
    assert skilled.matrix()[1]["agent_clis"]["installed"] is True
    assert skilled.probe("agent_clis") == ("ok", "gemini 0.61.0")
    left = skilled.built.guest(
        "ls -d /opt/homebrew/var/clawkeep/npm/*; find / -xdev -name '*.clawkeep~'"
    )
    assert left.stdout.split() == [folder]


def test_a_version_that_does_not_exist_leaves_what_was_there(skilled: Skilled) -> None:
    skilled.declare({"agent_clis": {"gemini": "0.0.999"}}, OPEN)
    done = skilled.built.pyinfra("-y", "--data", "phase=skills")
    assert done.returncode == 1
    assert "0.0.999" in done.stderr
    left = skilled.built.guest("ls /opt/homebrew/var/clawkeep/npm; gemini --version").stdout
    assert left.split()[0] == "google-gemini-cli"
    skilled.declare({"edge_tts": {"version": "7.0.999"}}, OPEN)
    done = skilled.built.pyinfra("-y", "--data", "phase=skills")
    assert done.returncode == 1
    assert "edge-tts==7.0.999" in done.stderr
    venv = "/opt/homebrew/var/clawkeep/venv"
    left = skilled.built.guest(f"ls -d {venv}/lib/*/site-packages/edge_tts-*").stdout
    assert left.strip().endswith("edge_tts-7.3.1.dist-info")
    skilled.declare(SKILLS, OPEN)
    skilled.apply()
