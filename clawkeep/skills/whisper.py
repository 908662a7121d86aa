"""Speech to text with whisper.cpp, by a model that the host has.

A guest's GPU is a paravirtual one: ggml may be slower on it, wrong, or crash
(reference/tart.md §6). So the probe transcribes a sentence that `say` spoke, once with the GPU and
once without, and the command `whisper` goes the way that was right, and faster if both were.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import time
from typing import Annotated

from pydantic import AfterValidator

from clawkeep.skills.agents import AgentFile, ForAgents
from clawkeep.skills.skill import PROGRAMS, Model, Options, Scene, Skill, Wants, Word
from clawkeep.skills.tools import Failed, NeedsMac, Tools

CHOICE = ".config/clawkeep/whisper-no-gpu"
SENTENCE = "the quick brown fox jumps over the lazy dog"
WRAPPER = """#!/bin/sh
# Written by clawkeep: whisper-cli with the declared model; -ng where the probe found it better.
[ ! -e "$HOME/{choice}" ] || set -- -ng "$@"
exec /opt/homebrew/bin/whisper-cli -m {model} "$@"
"""


def _sha256(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise ValueError(f"{text!r} is no SHA-256; on the host: shasum -a 256 FILE")
    return text


class Whisper(Options):
    """`model` is a ggml file on the host; only one with this `sha256` gets into the guest."""

    model: Word
    sha256: Annotated[str, AfterValidator(_sha256)]


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
        question={
            "program": "/opt/homebrew/bin/whisper-cli",
            "model": model.path,
            "sha256": model.sha256,
            "sentence": SENTENCE,
            "choice": CHOICE,
        },
    )


def probe(tools: Tools) -> str:  # noqa: C901 - it travels in one piece
    """Check the model, transcribe a known sentence both ways, and keep the better one."""
    ask, digest = tools.question, hashlib.sha256()
    with open(ask["model"], "rb") as file:
        for piece in iter(lambda: file.read(1 << 20), b""):
            digest.update(piece)
    if digest.hexdigest() != ask["sha256"]:
        raise Failed("the model is not as declared; remove it and run clawkeep apply skills")
    took = {}
    with tempfile.TemporaryDirectory() as folder:
        wav = os.path.join(folder, "said.wav")
        form = ("--data-format=LEI16@16000", "--file-format=WAVE")
        said = tools.run("/usr/bin/say", *form, "-o", wav, ask["sentence"])
        if said.status != 0:
            raise Failed("say: " + said.words)
        for way in ((), ("-ng",)):
            began = time.monotonic()
            words = ("-m", ask["model"], "-f", wav, "-nt", "-np", *way)
            done = tools.run(ask["program"], *words, timeout_s=150)
            if not tools.on_a_mac:
                raise NeedsMac(f"the model is as declared; {done.words}")
            heard = re.sub(r"[^a-z ]", "", done.out.lower()).split()
            if done.status == 0 and heard == ask["sentence"].split():
                took[way] = time.monotonic() - began
    if not took:
        raise Failed(f"whisper heard {' '.join(heard)[:80]!r}, expected {ask['sentence']!r}")
    best = min(took, key=lambda way: took[way])
    choice = os.path.join(tools.home, ask["choice"])
    os.makedirs(os.path.dirname(choice), exist_ok=True)
    if best:
        with open(choice, "w", encoding="utf-8"):
            pass
    elif os.path.exists(choice):
        os.unlink(choice)
    if len(took) < 2:
        return f"right {'without' if best else 'with'} the GPU only, {took[best]:.1f} s"
    ratio = took[()] / took[("-ng",)]
    return f"right both ways; with GPU / without = {ratio:.2f}, kept the faster one"


SKILL = Skill("speech to text with whisper.cpp", Whisper, wants, probe, timeout_s=320)
