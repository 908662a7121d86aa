"""Speech to text with whisper.cpp, by a model that the host has.

A guest's GPU is a paravirtual one: ggml may be slower on it, wrong, hang or crash
(reference/tart.md §6). So the probe transcribes a recording whose words are known, once with the
GPU and once without, and the command `whisper` goes the way that was right, and the faster one if
both were.
"""

from __future__ import annotations

import base64
import os
import re
import tempfile
import time

from clawkeep.skills.agents import AgentFile, ForAgents
from clawkeep.skills.skill import PROGRAMS, Model, Options, Scene, Sha256, Skill, Wants, Word
from clawkeep.skills.spoken import SENTENCE, recording
from clawkeep.skills.tools import Failed, Tools, sha256_of, words_of

CHOICE = ".config/clawkeep/whisper-no-gpu"
WRAPPER = """#!/bin/sh
# Written by clawkeep: whisper-cli with the declared model; -ng where the probe found it better.
[ ! -e "$HOME/{choice}" ] || set -- -ng "$@"
exec /opt/homebrew/bin/whisper-cli -m {model} "$@"
"""
DEVICE = r"(?:GPU name:|found device:) +([^\n(]+)"
"""How ggml tells its GPU. Source: ggml-metal-device.m, and ggml-metal.m before 2025-08."""


class Whisper(Options):
    """`model` is a ggml file on the host; only one with this `sha256` gets into the guest."""

    model: Word
    sha256: Sha256


def wants(options: Whisper, _scene: Scene) -> Wants:
    """Return the formula, the model and the command `whisper`."""
    model = Model(options.model, options.sha256)
    text = WRAPPER.format(choice=CHOICE, model=model.path)
    return Wants(
        formulas=("whisper-cpp",),
        models=(model,),
        programs={f"{PROGRAMS}/whisper": text},
        agents=ForAgents(
            "Text from speech: transcribe a recording, in the guest itself.",
            "    ffmpeg -i message.ogg -ar 16000 -ac 1 said.wav\n"
            "    whisper -f said.wav -nt -np\n\n"
            "It reads WAV files of 16 kHz, and prints the words.",
            programs=("whisper", "ffmpeg"),
            files=(AgentFile(CHOICE, optional=True),),
        ),
        marks=(CHOICE,),
        question={
            "program": "/opt/homebrew/bin/whisper-cli",
            "model": model.path,
            "sha256": model.sha256,
            "sentence": SENTENCE,
            "recording": recording(),
            "choice": CHOICE,
            "device": DEVICE,
            "timeout_s": 150,
        },
    )


def probe(tools: Tools) -> str:  # noqa: C901 - it travels in one piece
    """Check the model, transcribe the recording both ways, and keep the better one."""
    ask = tools.question
    if sha256_of(ask["model"]) != ask["sha256"]:
        raise Failed("the model is not as declared; remove it and run clawkeep apply skills")
    took, wrong, device = {}, {}, ""
    with tempfile.TemporaryDirectory() as folder:
        wav = os.path.join(folder, "spoken.wav")
        with open(wav, "wb") as file:
            file.write(base64.b64decode(ask["recording"]))
        # Both read a model that was just read as a whole: neither pays for the disk.
        for way, more in (("gpu", ()), ("cpu", ("-ng",))):
            words = ("-m", ask["model"], "-f", wav, "-nt", *more)
            began = time.monotonic()
            try:
                done = tools.run(ask["program"], *words, timeout_s=ask["timeout_s"])
            except Failed as why:
                wrong[way] = str(why)
                continue
            seconds = time.monotonic() - began
            found = re.search(ask["device"], done.err)
            if found and way == "gpu":
                device = found.group(1).strip()
            if done.status != 0:
                wrong[way] = f"whisper-cli ended with {done.status}: {done.words}"
            elif words_of(done.out) != ask["sentence"].split():
                heard = " ".join(words_of(done.out))[:60]
                wrong[way] = f"heard {heard!r}, expected {ask['sentence']!r}"
            else:
                took[way] = seconds
    tools.measured.update({f"{way}_s": seconds for way, seconds in took.items()}, gpu=device)
    if not took:
        raise Failed(wrong["cpu"])
    # Where whisper sees no GPU, both ways are one: nothing is chosen by chance.
    slow = len(took) == 2 and device != "" and took["cpu"] < took["gpu"]
    choice = os.path.join(tools.home, ask["choice"])
    if slow or "gpu" not in took:
        os.makedirs(os.path.dirname(choice), exist_ok=True)
        with open(choice, "w", encoding="utf-8"):
            pass
    elif os.path.exists(choice):
        os.unlink(choice)
    if len(took) < 2:
        other = "without" if "gpu" in wrong else "with"
        return f"every word, but only {other} the GPU; else: {wrong.popitem()[1]}"
    ratio = tools.measured["ratio"] = took["gpu"] / took["cpu"]
    if not device:
        return "every word; whisper sees no GPU here, and computes without in {:.1f} s".format(
            took["cpu"]
        )
    kept = "without" if slow else "with"
    return f"every word, {device}: time with GPU / without = {ratio:.2f}; goes {kept} it"


SKILL = Skill("speech to text with whisper.cpp", Whisper, wants, probe, timeout_s=320)
