"""The lab's own C programs, compiled once for each version of them."""

import hashlib
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

CACHE = Path(__file__).resolve().parents[2] / ".cache"
FLAGS = ("-O2", "-Wall", "-Wextra", "-Werror")


def compiled(
    source: Path, name: str, flags: Sequence[str], cache: Path = CACHE, compiler: str = "cc"
) -> bytes | None:
    """Return what a C file compiles to; None on a machine without a compiler.

    Raises subprocess.CalledProcessError, with what the compiler said on standard error.
    """
    flags = [*FLAGS, *flags]
    version = hashlib.sha256(source.read_bytes() + " ".join(flags).encode()).hexdigest()[:16]
    program = cache / f"{name}-{os.uname().machine}-{version}"
    if not program.exists():
        cache.mkdir(parents=True, exist_ok=True)
        fresh = program.with_name(f".{program.name}.{os.getpid()}")
        try:
            subprocess.run([compiler, *flags, "-o", fresh, source], check=True)
        except FileNotFoundError:
            return None
        fresh.replace(program)
    return program.read_bytes()
