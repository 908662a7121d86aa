"""Speech to text on the host's own GPU, behind one more door.

A guest's Metal is a paravirtual one, at a tenth of the host's speed where it works at all
(reference/peers.md §0.13, §E.4). So whisper runs on the host, as a user that owns nothing, and the
guest sends it sound: `clawkeep whisper`, with the interface of whisper.cpp's own server.
"""

from __future__ import annotations

import base64
import http.client
import json
import time
from importlib import resources

from clawkeep.policy import WHISPER_AT
from clawkeep.skills.skill import (
    PROGRAMS,
    HostService,
    MissingDoorError,
    Model,
    Options,
    Scene,
    Sha256,
    Skill,
    Wants,
    Word,
)
from clawkeep.skills.spoken import SENTENCE, recording
from clawkeep.skills.tools import Failed, Tools, gateway, words_of

USER = "_clawkeep_whisper"
TARGET = f"{WHISPER_AT[0]}:{WHISPER_AT[1]}"


class HostWhisper(Options):
    """`model` is a ggml file on the host, of this `sha256`; `service` names the door."""

    model: Word
    sha256: Sha256
    service: Word = "whisper"


def wants(options: HostWhisper, scene: Scene) -> Wants:
    """Return the service on the host, the door to it, and a command for the guest."""
    door = scene.door(options.service, "http", f"18178 {TARGET}")
    if not door.target.on_the_host:
        raise MissingDoorError(
            f"needs the door {door.name!r} to lead to {TARGET}, where the host's whisper listens, "
            f"and it leads to {door.target}; change its target in allowlist.yml"
        )
    source = (resources.files("clawkeep.skills") / "programs" / "host_whisper").read_text()
    return Wants(
        programs={f"{PROGRAMS}/host-whisper": source.replace("@PORT@", str(door.port))},
        doors=(door.name,),
        host=HostService(
            "whisper", USER, Model(options.model, options.sha256), formulas=("whisper-cpp",)
        ),
        question={
            "port": door.port,
            "door": door.name,
            "sha256": options.sha256,
            "sentence": SENTENCE,
            "recording": recording(),
        },
    )


def probe(tools: Tools) -> str:
    """Send the recording through the door, and compare what the host heard."""
    ask, where = tools.question, gateway()
    place = f"door {ask['door']}, {where}:{ask['port']}"
    mark = "clawkeep-recording"
    head = (
        f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="spoken.wav"\r\n'
        "Content-Type: audio/wav\r\n\r\n"
    )
    body = head.encode() + base64.b64decode(ask["recording"]) + f"\r\n--{mark}--\r\n".encode()
    kind = {"Content-Type": f"multipart/form-data; boundary={mark}"}
    began = time.monotonic()
    try:
        connection = http.client.HTTPConnection(where, ask["port"], timeout=100)
        connection.request("POST", "/inference", body, kind)
        response = connection.getresponse()
        text = response.read(10_000).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        raise Failed(f"the host's whisper does not answer ({place}): {error!r}") from None
    if response.status != 200:
        raise Failed(f"the host's whisper answered {response.status} ({place}): {text[:120]}")
    seconds = tools.measured["host_s"] = time.monotonic() - began
    model = response.headers.get("X-Clawkeep-Model", "")
    if model != ask["sha256"]:
        raise Failed(f"the host computes with the model {model[:12]!r}, not the declared one")
    heard = words_of(json.loads(text)["text"])
    if heard != ask["sentence"].split():
        raise Failed(f"the host heard {' '.join(heard)[:60]!r}, expected {ask['sentence']!r}")
    return f"the host heard every word in {seconds:.1f} s ({place})"


SKILL = Skill("speech to text on the host's own GPU", HostWhisper, wants, probe, timeout_s=110)
