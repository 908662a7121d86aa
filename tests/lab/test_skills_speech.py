"""Speech to text in a lab: the real whisper.cpp and a real model, in the guest and on the host."""

from __future__ import annotations

import hashlib
import json
import shutil

import pytest

from lab import bottles, whisper
from tests.lab.keep import Built
from tests.lab.skilled import Skilled

pytestmark = [
    pytest.mark.lab,
    pytest.mark.slow,
    pytest.mark.skipif(
        not (bottles.DEFAULT_DIR / whisper.NAME / whisper.MODEL).exists(),
        reason="no whisper in the bottle cache; python -m lab.bottles says why",
    ),
]
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
    made = Skilled(keep, {})
    made.declare({"whisper": {"model": "~/models/tiny.bin", "sha256": digest}})
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
    done = skilled.guest("say -o /tmp/x.aiff x; /usr/local/clawkeep/bin/whisper -nt -np /tmp/none")
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


def test_a_model_of_another_hash_stays_out(skilled: Skilled, digest: str) -> None:
    declared = skilled.file.read_text()
    wrong = "0" * 64
    skilled.declare({"whisper": {"model": "~/models/tiny.bin", "sha256": wrong}})
    done = skilled.built.pyinfra("-y", "--data", "phase=skills")
    assert done.returncode == 1
    assert f"has the SHA-256 {digest} on the host, expected {wrong}" in done.stderr
    assert skilled.built.guest(f"ls {MODELS}").stdout.split() == [digest]
    skilled.file.write_text(declared)
