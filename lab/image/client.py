"""The program that a warm stand-in's first line names, compiled once for each version of it."""

import hashlib
import os
import subprocess
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "mac" / "forkserver" / "client.c"
CACHE = Path(__file__).resolve().parents[2] / ".cache"
FLAGS = ("-O2", "-std=c11", "-Wall", "-Wextra", "-Werror")


def compiled(cache: Path = CACHE, compiler: str = "cc") -> bytes | None:
    """Return the program; None on a machine without a compiler, where stand-ins are just slow.

    Raises subprocess.CalledProcessError, with what the compiler said on standard error.
    """
    version = hashlib.sha256(SOURCE.read_bytes() + " ".join(FLAGS).encode()).hexdigest()[:16]
    program = cache / f"stand-in-{os.uname().machine}-{version}"
    if not program.exists():
        cache.mkdir(parents=True, exist_ok=True)
        fresh = program.with_name(f".{program.name}.{os.getpid()}")
        try:
            subprocess.run([compiler, *FLAGS, "-o", fresh, SOURCE], check=True)
        except FileNotFoundError:
            return None
        fresh.replace(program)
    return program.read_bytes()
