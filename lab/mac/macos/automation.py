"""say and osascript: speech to a file, and Apple events that nobody allowed.

`say -o FILE` writes a second of silence as AIFF. osascript computes nothing; it refuses to
control any application, with -1743: there is none, whatever a TCC database says (Source:
reference/macos.md §6). `-l JavaScript` is refused alike; of either language it runs nothing.
"""

import os
import struct
import sys

from ..calls import record
from .console import complain

RATE_80BIT = bytes.fromhex("400dac44000000000000")  # 22050 Hz as an 80-bit float
FRAMES = 22050
NOT_ALLOWED = "execution error: Not authorized to send Apple events to {application}. (-1743)"


def main(argv: list[str]) -> int:
    """Run say or osascript."""
    name, words = os.path.basename(argv[0]), argv[1:]
    record(argv, mutates=name == "say" and "-o" in words)
    return say(words) if name == "say" else osascript(words)


def silence() -> bytes:
    """Return a second of silence as an AIFF file: mono, 16 bit, 22050 Hz."""
    common = struct.pack(">hIh", 1, FRAMES, 16) + RATE_80BIT
    sound = struct.pack(">II", 0, 0) + bytes(FRAMES * 2)
    chunks = b"".join(
        name + struct.pack(">I", len(body)) + body
        for name, body in ((b"COMM", common), (b"SSND", sound))
    )
    return b"FORM" + struct.pack(">I", len(chunks) + 4) + b"AIFF" + chunks


def say(words: list[str]) -> int:
    """`say [-v VOICE] [-o FILE] [-f TEXT] WORDS…`."""
    if "-v" in words and words[words.index("-v") + 1 :][:1] == ["?"]:
        print("Samantha            en_US    # Hello! My name is Samantha.")
        print("Anna                de_DE    # Hallo! Ich heiße Anna.")
        return 0
    if "-o" in words[:-1]:
        with open(words[words.index("-o") + 1], "wb") as file:
            file.write(silence())
    return 0


def osascript(words: list[str]) -> int:
    """Run a script of `-e`, a file or stdin: `return "x"` works, Apple events are refused."""
    lines = [words[i + 1] for i, word in enumerate(words[:-1]) if word == "-e"]
    if not lines:
        language = words.index("-l") + 1 if "-l" in words else -1
        named = [w for i, w in enumerate(words) if not w.startswith("-") and i != language]
        file = next(iter(named), None)
        if file is None:
            lines = sys.stdin.read().splitlines()
        else:
            with open(file, encoding="utf-8") as script:
                lines = script.read().splitlines()
    text = "\n".join(lines)
    in_javascript = "JavaScript" in words
    _, sent, after = text.partition("Application(" if in_javascript else "tell app")
    if sent:
        application = after.partition('"')[2].partition('"')[0] or "the application"
        refusal = NOT_ALLOWED.format(application=application)
        if in_javascript:
            # Thrown through the interpreter, it is an error twice over, and has no place.
            complain(refusal.replace("error: ", "error: Error: Error: ", 1))
        else:
            complain(f"0:{len(text)}: {refusal}")
        return 1
    if text.startswith("return "):
        print(text.removeprefix("return ").strip('"'))
    return 0
