"""edge-tts: Microsoft's voices, over the internet; `say` needs none."""

from __future__ import annotations

import os
import tempfile

from clawkeep.skills.agents import ForAgents
from clawkeep.skills.skill import PROGRAMS, Options, Scene, Skill, Version, Wants, Word
from clawkeep.skills.survey import VENV
from clawkeep.skills.tools import Failed, Tools

SERVICE = "speech.platform.bing.com"
WRAPPER = f"""#!/bin/sh
# Written by clawkeep: edge-tts looks for the proxy of its websocket under this name alone.
export wss_proxy="${{wss_proxy-${{https_proxy-}}}}"
exec {VENV}/bin/edge-tts "$@"
"""


class EdgeTts(Options):
    """`version` is pinned: the service changes what it accepts, and the tool follows."""

    version: Version
    voice: Word = "en-US-EmmaMultilingualNeural"


def wants(options: EdgeTts, _scene: Scene) -> Wants:
    """Return the tool for the virtual environment, and the one name that it must reach."""
    return Wants(
        pip=(f"edge-tts=={options.version}",),
        programs={f"{PROGRAMS}/edge-tts": WRAPPER},
        egress=(SERVICE,),
        agents=ForAgents(
            "Speech from text into an MP3 file, by Microsoft's voices over the internet.",
            f"    edge-tts --voice {options.voice} --text 'Good morning.' "
            "--write-media said.mp3\n\nWhat is spoken goes to Microsoft: nothing confidential.",
            programs=("edge-tts",),
        ),
        question={"program": f"{PROGRAMS}/edge-tts", "voice": options.voice},
    )


def probe(tools: Tools) -> str:
    """Have a sentence spoken into a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "said.mp3")
        words = ("--voice", tools.question["voice"], "--text", "The keep is closed.")
        done = tools.run(tools.question["program"], *words, "--write-media", path)
        size = os.path.getsize(path) if os.path.exists(path) else 0
    if done.status != 0:
        raise Failed("edge-tts: " + done.words)
    if size < 1000:
        raise Failed(f"edge-tts wrote {size} bytes, which is no speech")
    return f"a sentence of {size} bytes by {tools.question['voice']}"


SKILL = Skill("speech by Microsoft's voices, over the internet", EdgeTts, wants, probe)
