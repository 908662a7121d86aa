"""Skills that bring packages or mail, and those that only a Mac can prove."""

from __future__ import annotations

import json

import pytest

from lab.services import mail
from tests.lab.keep import Built
from tests.lab.skilled import EGRESS, Skilled

pytestmark = [pytest.mark.lab, pytest.mark.slow]

CERTIFI = "/opt/homebrew/var/clawkeep/venv/lib/python3*/site-packages/certifi/cacert.pem"
OPEN = f'{EGRESS}egress["domains"] = ["speech.platform.bing.com"]\n'
DOOR = """
  - {name: imap, port: 18993, target: '10.0.30.25:993', kind: tls, server_name: mail.lab.internal}
  - {name: smtp, port: 18465, target: '10.0.30.25:465', kind: tls, server_name: mail.lab.internal}
"""
SKILLS = {
    "agent_clis": {"gemini": "0.61.0"},
    "calendar": {},
    "edge_tts": {"version": "7.3.1"},
    "himalaya": {"email": mail.USER, "password": "env:MAIL_LAB", "smtp": "smtp"},
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
    "himalaya": (
        "cp -p {0} {0}.was; echo wrong > {0}",
        "/Users/claw/.config/clawkeep/mail.password",
        "AUTHENTICATIONFAILED",
    ),
}


@pytest.mark.parametrize("name", REDS)
def test_a_probe_turns_red_and_back(skilled: Skilled, name: str) -> None:
    change, path, expected = REDS[name]
    done = skilled.built.guest(change.format(path))
    assert done.returncode == 0, done.stderr
    state, evidence = skilled.probe(name)
    skilled.built.guest(BACK.format(path))
    assert (state, expected in evidence) == ("failed", True), evidence
    assert skilled.probe(name)[0] == PROVED.get(name, "needs a Mac")


def test_a_version_that_does_not_exist_leaves_what_was_there(skilled: Skilled) -> None:
    skilled.declare({"agent_clis": {"gemini": "0.0.999"}}, OPEN)
    done = skilled.built.pyinfra("-y", "--data", "phase=skills")
    assert done.returncode == 1
    assert "0.0.999" in done.stderr
    left = skilled.built.guest("ls /opt/homebrew/var/clawkeep/npm; gemini --version").stdout
    assert left.split()[0] == "google-gemini-cli"
    skilled.declare(SKILLS, OPEN)
    skilled.apply()
