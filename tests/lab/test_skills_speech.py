"""Speech to text in a lab: the real whisper.cpp and a real model, in the guest and on the host."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil

import pytest

from lab import bottles, whisper
from tests.lab.guarding import wait
from tests.lab.keep import CHECKOUT, Built, changed
from tests.lab.skilled import Skilled

pytestmark = [
    pytest.mark.lab,
    pytest.mark.slow,
    pytest.mark.skipif(
        not (bottles.DEFAULT_DIR / whisper.NAME / whisper.MODEL).exists(),
        reason="no whisper in the bottle cache; python -m lab.bottles says why",
    ),
]
DOOR = """
  - {name: whisper, port: 18178, target: '127.0.0.1:8178', kind: http}
"""
JOB = "com.nanoclaw.host.whisper"
MODELS = "/opt/homebrew/var/clawkeep/models"


@pytest.fixture(scope="module")
def digest(keep: Built) -> str:
    """Put the model on the host, where an operator has downloaded it to; return its SHA-256."""
    owner = keep.lab.facts["user"]
    keep.host(f"cd /Users/{owner}; mkdir -p models; chown {owner} models")
    source = bottles.DEFAULT_DIR / whisper.NAME / whisper.MODEL
    root = f"/proc/{keep.lab.facts['host_pid']}/root"
    shutil.copyfile(source, f"{root}/Users/{owner}/models/tiny.bin")
    with source.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@pytest.fixture(scope="module")
def skilled(keep: Built, digest: str) -> Skilled:
    keep.allowlist((keep.project / "allowlist.yml").read_text() + DOOR)
    made = Skilled(keep, {})
    model = {"model": "~/models/tiny.bin", "sha256": digest}
    made.declare({"whisper": model, "host_whisper": model})
    made.apply("network,skills")
    return made


def test_the_guest_hears_every_word(skilled: Skilled) -> None:
    status, rows = skilled.matrix()
    row = rows["whisper"]
    assert (status, row["proof"], row["verdict"]) == (0, "ok", "well"), json.dumps(row, indent=2)
    assert row["evidence"].startswith("every word; whisper sees no GPU here")
    measured = row["measured"]
    assert measured["gpu"] == ""
    assert measured["ratio"] == pytest.approx(measured["gpu_s"] / measured["cpu_s"], rel=0.01)


def test_the_agent_has_a_command_that_knows_its_model(skilled: Skilled) -> None:
    done = skilled.guest("/usr/local/clawkeep/bin/whisper -nt -np /tmp/none")
    assert "input file not found '/tmp/none'" in done.stderr


def test_a_flipped_byte_of_the_model_is_found_and_repaired(skilled: Skilled, digest: str) -> None:
    path = f"{MODELS}/{digest}"
    flip = f"printf x | dd of={path} bs=1 seek=5000 conv=notrunc 2>/dev/null"
    assert skilled.built.guest(flip).returncode == 0
    state, evidence = skilled.probe("whisper")
    assert (state, evidence) == (
        "failed",
        "the model is not as declared; remove it and run clawkeep apply skills",
    )
    skilled.built.guest(f"rm {path}")
    skilled.apply()
    assert skilled.matrix()[1]["whisper"]["proof"] == "ok"


def test_a_run_that_is_killed_while_a_model_is_copied_is_finished_by_the_next(
    skilled: Skilled, digest: str
) -> None:
    path = f"{MODELS}/{digest}"
    skilled.built.guest(f"rm {path}")
    skilled.killed(f"-s {path}.new", "--data", "phase=skills")
    assert skilled.built.guest(f"ls {path}").returncode != 0
    row = skilled.matrix()[1]["whisper"]
    assert (row["configured"], row["verdict"]) == (False, "ill")
    skilled.apply()
    assert skilled.built.guest(f"ls {MODELS}").stdout.split() == [digest]
    assert skilled.probe("whisper")[0] == "ok"


def test_the_host_hears_every_word_through_the_door(skilled: Skilled) -> None:
    row = skilled.matrix()[1]["host_whisper"]
    assert (row["proof"], row["verdict"]) == ("ok", "well"), json.dumps(row, indent=2)
    assert row["evidence"].startswith("the host heard every word in ")
    assert row["measured"]["host_s"] > 0
    built = skilled.built
    who = built.host("ps -axo user,command | grep '[c]lawkeep whisper /opt'").stdout
    assert who.split()[0] == "_clawkeep_whisper", who
    at = built.host("lsof -nP -iTCP -sTCP:LISTEN | grep 8178").stdout
    assert "TCP 127.0.0.1:8178 (LISTEN)" in at
    assert built.host("stat -f '%Lp %Su' /opt/clawkeep/models/*").stdout.split() == ["644", "root"]


def test_the_guest_has_a_command_for_it(skilled: Skilled) -> None:
    wav = (CHECKOUT / "clawkeep" / "skills" / "spoken.wav").read_bytes()
    done = skilled.guest(
        f"echo {base64.b64encode(wav).decode()} | base64 -D > 'a,b;type=x.wav'; "
        "/usr/local/clawkeep/bin/host-whisper 'a,b;type=x.wav' en"
    )
    assert done.stdout.strip() == "Please close the window and open the door.", done.stderr


def test_a_second_run_changes_nothing(skilled: Skilled) -> None:
    calls = len(skilled.built.lab.calls())
    said = skilled.apply("network,skills", "-v")
    assert changed(said) == []
    assert skilled.built.mutations(calls) == []


def test_the_doors_of_the_host_stay_shut_but_for_this_one(skilled: Skilled) -> None:
    gateway = skilled.guest("route -n get default | awk '/gateway:/ { print $2 }'").stdout.strip()
    shut = skilled.guest(f"nc -z -w 2 {gateway} 8178 || echo shut").stdout
    assert "shut" in shut
    load = skilled.guest(
        f"curl -s --noproxy '*' -F model=/etc/passwd http://{gateway}:18178/load"
    ).stdout
    assert json.loads(load) == {"error": "there is /inference and /health"}


def test_a_closed_bridge_is_red(skilled: Skilled) -> None:
    skilled.built.host("launchctl bootout system/com.nanoclaw.bridge.whisper")
    state, evidence = skilled.probe("host_whisper")
    assert (state, "the host's whisper does not answer" in evidence) == ("failed", True), evidence
    skilled.apply("network,skills")
    assert skilled.matrix()[1]["host_whisper"]["proof"] == "ok"


def test_a_model_that_was_damaged_on_the_host_is_not_served(skilled: Skilled, digest: str) -> None:
    path, built = f"/opt/clawkeep/models/{digest}", skilled.built
    byte = f"dd of={path} bs=1 seek=5000 conv=notrunc 2>/dev/null"
    kept = built.host(f"dd if={path} bs=1 skip=5000 count=1 2>/dev/null | base64").stdout
    built.host(f"printf x | {byte}; launchctl kickstart -k system/{JOB}")
    state, evidence = skilled.probe("host_whisper")
    assert state == "failed", evidence
    assert "has the SHA-256" in built.host(f"cat /var/log/{JOB}.log").stdout
    built.host(f"echo {kept.strip()} | base64 -D | {byte}; launchctl kickstart -k system/{JOB}")
    wait("the host hears again", lambda: skilled.probe("host_whisper")[0] == "ok", timeout_s=40)


def test_a_model_of_another_hash_stays_out(skilled: Skilled, digest: str) -> None:
    declared = skilled.file.read_text()
    path, wrong = "~/models/tiny.bin", "0" * 64
    host = {"host_whisper": {"model": path, "sha256": digest}}
    skilled.declare({**host, "whisper": {"model": path, "sha256": wrong}})
    done = skilled.built.pyinfra("-y", "--data", "phase=skills")
    assert done.returncode == 1
    assert f"has the SHA-256 {digest} on the host, expected {wrong}" in done.stderr
    assert skilled.built.guest(f"ls {MODELS}").stdout.split() == [digest]
    skilled.declare({"host_whisper": {"model": path, "sha256": wrong}})
    done = skilled.built.pyinfra("-y", "--data", "phase=skills")
    assert done.returncode == 1
    assert f"has the SHA-256 {digest} on the host, expected {wrong}" in done.stderr
    left = skilled.built.host("ls /opt/clawkeep/models").stdout.split()
    assert [name for name in left if name != digest] == []
    skilled.file.write_text(declared)
    skilled.apply("network,skills")


def test_without_the_skill_nothing_of_it_is_left_on_the_host(skilled: Skilled) -> None:
    built = skilled.built
    skilled.declare({})
    refused = built.pyinfra("-y", "--data", "phase=skills")
    assert refused.returncode != 0
    assert "the door 'whisper' leads to 127.0.0.1:8178 on the host itself" in refused.stderr
    built.allowlist((built.project / "allowlist.yml").read_text().replace(DOOR, ""))
    skilled.apply("network,skills")
    left = built.host(f"launchctl list | grep {JOB}; ls /Library/LaunchDaemons | grep {JOB}; "
                      "ls /opt/clawkeep/models; lsof -nP -iTCP:8178").stdout  # fmt: skip
    assert left == ""
