"""`whisper-cli`: the real one out of the bottle cache.

Where there is none (no network when the cache was filled, no build for this machine), it checks its
model and its sound file; it cannot transcribe, and says so.

Source: reference/macos.md §7 (whisper-cpp: binary `whisper-cli`, no usable model included);
ggml-org/whisper.cpp examples/cli/cli.cpp for messages and exit statuses.
"""

import os
import sys
from pathlib import Path

from ...calls import record

HELP = """
usage: {program} [options] file0 file1 ...
supported audio formats: flac, mp3, ogg, wav

options:
  -h,        --help              [default] show this help message and exit
  -t N,      --threads N         [4      ] number of threads to use during computation
  -l LANG,   --language LANG     [en     ] spoken language ('auto' for auto-detect)
  -m FNAME,  --model FNAME       [models/ggml-base.en.bin] model path
  -f FNAME,  --file FNAME        [       ] input audio file path
  -otxt,     --output-txt        [false  ] output result in a text file
  -np,       --no-prints         [false  ] do not print anything other than the results
  -nt,       --no-timestamps     [false  ] do not print timestamps
  -ng,       --no-gpu            [false  ] disable GPU
"""
REAL = "/System/Lab/bottles/whisper/bin/whisper-cli"
GGML_MAGIC = b"lmgg"
VALUED = {"-m": "model", "--model": "model", "-f": "file", "--file": "file"}
OTHER_VALUED = {"-t", "--threads", "-l", "--language", "-of", "--output-file", "--prompt", "-d"}


def main(argv: list[str]) -> int:
    """Return 0 for help, 2 without input, 3 without a model, 10 where the Mac would transcribe."""
    record(argv, mutates=False)
    if os.path.exists(REAL):
        os.execv(REAL, argv)
    model, files, words = "models/ggml-base.en.bin", [], iter(argv[1:])
    for word in words:
        if word in {"-h", "--help"}:
            sys.stderr.write(HELP.format(program=argv[0]))
            return 0
        if word in OTHER_VALUED:
            next(words, "")
        elif VALUED.get(word) == "model":
            model = next(words, "")
        elif VALUED.get(word) == "file":
            files.append(next(words, ""))
        elif not word.startswith("-"):
            files.append(word)
    return _transcribe(model, files)


def _transcribe(model: str, files: list[str]) -> int:
    present = [file for file in files if Path(file).is_file()]
    for file in files:
        if file not in present:
            _say(f"error: input file not found '{file}'")
    if not present:
        _say("error: no input files specified")
        return 2
    loader = "whisper_init_from_file_with_params_no_state"
    _say(f"{loader}: loading model from '{model}'")
    path = Path(model)
    if not path.is_file():
        _say(f"{loader}: failed to open '{model}'", "error: failed to initialize whisper context")
        return 3
    with path.open("rb") as file_:
        magic = file_.read(4)
    if magic != GGML_MAGIC:
        _say("whisper_model_load: invalid model data (bad magic)")
        _say(f"{loader}: failed to load model", "error: failed to initialize whisper context")
        return 3
    _say("whisper-cli: failed to process audio (this lab cannot transcribe)")
    return 10


def _say(*lines: str) -> None:
    sys.stderr.write("".join(f"{line}\n" for line in lines))
