"""macOS's own voice, which needs no network."""

from __future__ import annotations

import os
import tempfile

from clawkeep.skills.agents import RESULT, Argument, ForAgents, Verb
from clawkeep.skills.skill import Options, Scene, Skill, Wants
from clawkeep.skills.tools import Failed, NeedsMac, Tools


class Say(Options):
    """Nothing to choose; `say -v NAME` takes any voice that is installed."""


def wants(_options: Say, _scene: Scene) -> Wants:
    """Return that it needs nothing."""
    speak = Verb(
        # Without words and with -f -, say reads stdin: what is spoken is in no list of processes.
        ("/usr/bin/say", "-o", RESULT, "-f", "-"),
        "TEXT becomes speech in FILE (AIFF); - reads it from stdin",
        (Argument("text", "text", high=5000),),
        speaks="text",
        result="aiff",
        timeout_s=60,
    )
    about = "Speech from text into an audio file, by the Mac's own voice, without any network."
    return Wants(
        agents=ForAgents(about, "The file is yours; `ffmpeg` converts it.", verbs={"speak": speak})
    )


def probe(tools: Tools) -> str:
    """Have a sentence spoken into a file, and look whether anything can be heard in it."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "said.aiff")
        done = tools.run("/usr/bin/say", "-o", path, "The keep is closed.")
        if done.status != 0:
            raise Failed("say: " + done.words)
        try:
            with open(path, "rb") as file:
                sound = file.read()
        except OSError as error:
            raise Failed(f"say wrote no file: {error.strerror}") from None
    if sound[:4] != b"FORM":
        raise Failed("say wrote no AIFF file")
    heard = len(sound.partition(b"SSND")[2].strip(b"\0")) > 1000
    if not tools.on_a_mac:
        raise NeedsMac(f"say wrote {len(sound)} bytes; only a Mac has a voice")
    if not heard:
        raise Failed("say wrote silence: no voice is installed for the system's language")
    return f"a sentence of {len(sound)} bytes"


SKILL = Skill("speech into a file, by macOS's own voice", Say, wants, probe)
