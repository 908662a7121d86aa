"""The program that a warm stand-in's first line names."""

from pathlib import Path

from . import compiler

SOURCE = Path(__file__).resolve().parents[1] / "mac" / "forkserver" / "client.c"


def compiled(cache: Path = compiler.CACHE, program: str = "cc") -> bytes | None:
    """Return it; None on a machine without a compiler, where stand-ins are just slow.

    Raises subprocess.CalledProcessError, with what the compiler said on standard error.
    """
    return compiler.compiled(SOURCE, "stand-in", ["-std=c11"], cache, program)
