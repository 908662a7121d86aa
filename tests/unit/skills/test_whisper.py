"""whisper's probe: what is right and faster is kept, and a GPU that lies is found out."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clawkeep.skills import proofs, registry
from clawkeep.skills.skill import Scene
from clawkeep.skills.wanted import Wanted

RIGHT = "echo ' Please close the window, and open the door.'"
GPU = "echo 'ggml_metal_device_init: GPU name:   Apple Paravirtual device (MTL0)' >&2"
CHOICE = ".config/clawkeep/whisper-no-gpu"


def prove(
    home: Path, gpu: str, cpu: str, flip: bool = False
) -> tuple[str, str, dict[str, Any], bool]:
    """Prove it with a `whisper-cli` of two scripts; return the proof, and whether -ng is kept."""
    program, model = home / "whisper-cli", home / "model.bin"
    program.write_text(f'#!/bin/sh\ncase "$*" in *-ng*) {cpu};; *) {gpu};; esac\n')
    program.chmod(0o755)
    content = bytearray(b"lmgg" + bytes(5000))
    digest = hashlib.sha256(content).hexdigest()
    content[3000] ^= flip
    model.write_bytes(content)
    skill = registry()["whisper"]
    options = skill.options(model="m.bin", sha256=digest)
    wants = skill.wants(options, Scene("claw"))
    told = {**wants.question, "program": str(program), "model": str(model), "timeout_s": 1}
    one = Wanted("whisper", skill, options, replace(wants, question=told))
    done = subprocess.run(
        [sys.executable, "-I", "-"], input=proofs.program([one]), text=True, timeout=30,
        env={"HOME": str(home), "PATH": os.defpath}, capture_output=True, check=True,
    )  # fmt: skip
    proof = proofs.judged(done.stdout, [one])["whisper"]
    return proof["state"], proof["evidence"], proof["measured"], (home / CHOICE).exists()


@pytest.mark.parametrize(
    ("gpu", "cpu", "said", "no_gpu"),
    [
        (f"{GPU}; sleep 0.6; {RIGHT}", RIGHT, "goes without it", True),
        (f"{GPU}; {RIGHT}", f"sleep 0.6; {RIGHT}", "goes with it", False),
        (f"{GPU}; echo '!!!!!!!!'", RIGHT, "every word, but only without the GPU", True),
        (f"{GPU}; kill -ABRT $$", RIGHT, "whisper-cli ended with -6", True),
        (f"{GPU}; sleep 30", RIGHT, "no answer in 1 s", True),
        (f"{GPU}; {RIGHT}", "echo wrong", "every word, but only with the GPU", False),
        (f"sleep 0.4; {RIGHT}", RIGHT, "whisper sees no GPU here", False),
    ],
    ids=["slow", "fast", "garbage", "crash", "hang", "no cpu", "no gpu"],
)
def test_what_is_right_and_faster_is_kept(
    tmp_path: Path, gpu: str, cpu: str, said: str, no_gpu: bool
) -> None:
    # As another guest may have left it.
    (tmp_path / CHOICE).parent.mkdir(parents=True)
    if not no_gpu:
        (tmp_path / CHOICE).touch()
    state, evidence, _, kept = prove(tmp_path, gpu, cpu)
    assert (state, said in evidence, kept) == ("ok", True, no_gpu), evidence


def test_the_ratio_is_recorded(tmp_path: Path) -> None:
    _, _, measured, _ = prove(tmp_path, f"{GPU}; sleep 0.6; {RIGHT}", f"sleep 0.1; {RIGHT}")
    assert measured["gpu"] == "Apple Paravirtual device"
    assert measured["gpu_s"] > 0.6
    assert 0.1 < measured["cpu_s"] < 0.6
    assert measured["ratio"] == pytest.approx(measured["gpu_s"] / measured["cpu_s"], rel=0.02)


def test_other_words_are_no_proof(tmp_path: Path) -> None:
    wrong = "echo 'Please close the window.'"
    state, evidence, measured, kept = prove(tmp_path, wrong, wrong)
    assert (state, kept, "ratio" in measured) == ("failed", False, False)
    assert evidence == (
        "heard 'please close the window', expected 'please close the window and open the door'"
    )


def test_one_flipped_bit_of_the_model_is_found(tmp_path: Path) -> None:
    state, evidence, _, _ = prove(tmp_path, RIGHT, RIGHT, flip=True)
    assert (state, "the model is not as declared" in evidence) == ("failed", True)


def test_a_guest_can_measure_only_a_little() -> None:
    told = {"a": 1.23456, "b\x1b[2J": "x" * 500, "c": float("inf"), "d": [1], "e": None}
    answer = {"whisper": {"state": "ok", "evidence": "", "measured": told}}
    skill = registry()["whisper"]
    options = skill.options(model="m", sha256="0" * 64)
    one = Wanted("whisper", skill, options, skill.wants(options, Scene("claw")))
    kept = proofs.judged(json.dumps(answer), [one])["whisper"]["measured"]
    assert kept == {"a": 1.235, "b?[2J": "x" * 80}
