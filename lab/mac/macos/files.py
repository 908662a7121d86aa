"""chflags, xattr, ditto: file commands that only a Mac has."""

import os
import shutil
import sys

from ..calls import record
from .console import complain

PREFIX = "user."
FLAGS = {
    "uchg",
    "nouchg",
    "uimmutable",
    "nouimmutable",
    "schg",
    "noschg",
    "hidden",
    "nohidden",
    "0",
}


def main(argv: list[str]) -> int:
    """Run the command that argv[0] names."""
    name, words = os.path.basename(argv[0]), argv[1:]
    record(argv, mutates=name != "xattr" or bool({"-w", "-d", "-c", "-cr", "-rc"} & set(words)))
    return {"chflags": chflags, "xattr": xattr, "ditto": ditto}[name](words)


def chflags(words: list[str]) -> int:
    """`chflags [-R] FLAGS FILE…`: accepted and forgotten, the lab's filesystem has no flags."""
    plain = [word for word in words if not word.startswith("-")]
    if len(plain) < 2:
        complain("usage: chflags [-fhnvx] [-R [-H | -L | -P]] flags file ...")
        return 1
    unknown = [flag for flag in plain[0].split(",") if flag not in FLAGS and not flag.isdigit()]
    if unknown:
        complain(f"chflags: invalid flag: {unknown[0]}")
        return 1
    return missing("chflags", plain[1:])


def missing(program: str, files: list[str]) -> int:
    """Complain of files that are not there; return 1 if any."""
    absent = [file for file in files if not os.path.lexists(file)]
    for file in absent:
        complain(f"{program}: {file}: No such file or directory")
    return 1 if absent else 0


def xattr(words: list[str]) -> int:
    """`xattr FILE…`, `-p NAME FILE`, `-w NAME VALUE FILE`, `-d NAME FILE`, `-c FILE` (with -r)."""
    letters = "".join(word[1:] for word in words if word.startswith("-"))
    plain = [word for word in words if not word.startswith("-")]
    count = 2 if "w" in letters else 1 if set("pd") & set(letters) else 0
    arguments, files = plain[:count], plain[count:]
    if not files:
        complain("usage: xattr [-l] [-r] [-s] [-v] [-x] file [file ...]")
        return 64
    if missing("xattr", files):
        return 1
    if "r" in letters:
        files = [file for top in files for file in tree(top)]
    return max(_xattr_one(file, letters, arguments, named=len(files) > 1) for file in files)


def _xattr_one(file: str, letters: str, arguments: list[str], *, named: bool) -> int:
    names = [n.removeprefix(PREFIX) for n in os.listxattr(file) if n.startswith(PREFIX)]
    prefix = f"{file}: " if named else ""
    if "w" in letters:
        os.setxattr(file, PREFIX + arguments[0], arguments[1].encode())
    elif "c" in letters:
        for name in names:
            os.removexattr(file, PREFIX + name)
    elif arguments and arguments[0] not in names:
        if "r" not in letters:
            complain(f"xattr: {file}: No such xattr: {arguments[0]}")
        return 0 if "r" in letters else 1
    elif "d" in letters:
        os.removexattr(file, PREFIX + arguments[0])
    elif "p" in letters:
        print(prefix + os.getxattr(file, PREFIX + arguments[0]).decode(errors="replace"))
    else:
        for name in names:
            value = os.getxattr(file, PREFIX + name).decode(errors="replace")
            print(f"{prefix}{name}: {value}" if "l" in letters else prefix + name)
    return 0


def tree(top: str) -> list[str]:
    """Return a file, or a folder and all below."""
    below = [os.path.join(d, name) for d, ds, fs in os.walk(top) for name in [*ds, *fs]]
    return [file for file in [top, *below] if not os.path.islink(file)]


def ditto(words: list[str]) -> int:
    """`ditto SOURCE… TARGET`: copies content into the target; archives (-c, -x) are not there."""
    if {"-c", "-x"} & set(words):
        complain("ditto: archives are not simulated in the lab")
        return 1
    plain = [word for word in words if not word.startswith("-")]
    if len(plain) < 2:
        sys.stderr.write("Usage: ditto [ <options> ] src [ ... src ] dst\n")
        return 1
    *sources, target = plain
    for source in sources:
        if not os.path.exists(source):
            complain(f"ditto: can't get real path for source '{source}'")
            return 1
        if os.path.isdir(source):
            shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
        else:
            os.makedirs(os.path.dirname(os.path.abspath(target)), exist_ok=True)
            shutil.copy2(source, target)
    return 0
