"""The program that a warm stand-in's first line names."""

from pathlib import Path

from . import c_programs

SOURCE = Path(__file__).resolve().parents[1] / "mac" / "forkserver" / "client.c"


def compiled(cache: Path = c_programs.CACHE, compiler: str = "cc") -> bytes | None:
    """Return it; None on a machine without a compiler, where stand-ins are just slow.

    Raises subprocess.CalledProcessError, with what the compiler said on standard error.
    """
    return c_programs.compiled(SOURCE, "stand-in", ["-std=c11"], cache, compiler)
