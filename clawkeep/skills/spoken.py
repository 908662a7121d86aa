r"""A recording whose words are known: what skills that listen are tried with.

`spoken.wav` (16 kHz, mono, 16 bit, 2.6 s) is synthetic speech made for this project:

    espeak-ng -v en-us -s 160 -w raw.wav "Please close the window and open the door."
    sox raw.wav -r 16000 -c 1 -b 16 --no-dither spoken.wav \
        silence 1 0.02 0.5% reverse silence 1 0.02 0.5% reverse pad 0.1 0.1

Even whisper's smallest model hears every word of it.
"""

from __future__ import annotations

import base64
from functools import cache
from importlib import resources

SENTENCE = "please close the window and open the door"


@cache
def recording() -> str:
    """Return the WAV file in base64, as it travels to a probe."""
    content = (resources.files("clawkeep.skills") / "spoken.wav").read_bytes()
    return base64.b64encode(content).decode()
