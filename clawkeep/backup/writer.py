"""Puts an agent's state back in the guest: a new folder beside the old one, exchanged at the end.

Stdin: the length of this program, the program, and the task as one line of JSON: {"root", "label",
"stamp", "carry": [path]}; then lines of JSON, each file's content announced and behind its line.
Refuses while NanoClaw runs or could be started by launchd, before anything is written and again
before the exchange. The old state stays beside the new one, under a name with the time.

Runs as the service's user. Standard library, Python 3.9.
"""

import ctypes
import ctypes.util
import hashlib
import json
import os
import shutil
import subprocess
import sys

PIECE = 1 << 20
RENAME_SWAP = 2
AT_FDCWD = -100


class Refused(Exception):  # noqa: N818
    """Nothing is changed; the text says why."""


def running(label):
    """Say why NanoClaw counts as running, "" when it does not."""
    listed = subprocess.run(["ps", "-Ao", "pid=,args="], stdout=subprocess.PIPE, check=True).stdout
    for line in listed.decode("utf-8", "replace").splitlines():
        pid, _, args = line.strip().partition(" ")
        if "/releases/" in args and "/dist/index.js" in args:
            return "NanoClaw runs (pid %s)" % pid
    job = "gui/%d/%s" % (os.getuid(), label)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    if subprocess.run(["launchctl", "print", job], check=False, **quiet).returncode == 0:
        return "launchd would start NanoClaw (%s is loaded)" % job
    return ""


def refuse_running(label):
    """Raise Refused while NanoClaw runs."""
    why = running(label)
    if why:
        raise Refused(why + "; in the guest, as its user: launchctl bootout gui/$(id -u)/" + label)


def receive(stdin, new):
    """Write what comes into the folder `new`; return how many files. Raises Refused."""
    files, folders, links = 0, [], []
    while True:
        data = json.loads(stdin.readline() or b"{}")
        kind = data.get("k")
        if kind == "end":
            break
        if kind not in ("folder", "file", "link"):
            raise Refused("the backup ended before its end")
        path = os.path.join(new, data["path"]) if data["path"] else new
        if kind == "link":
            links.append((data["target"], path))
        elif kind == "folder":
            if data["path"]:
                os.mkdir(path, 0o700)
            folders.append((path, data["mode"]))
        else:
            one(stdin, path, data)
            files += 1
    for target, path in links:
        os.symlink(target, path)
    for path, mode in reversed(folders):
        os.chmod(path, mode)
    return files


def one(stdin, path, data):
    """Write one file and compare it with what was announced."""
    digest, left = hashlib.sha256(), data["size"]
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "wb") as file:
        while left:
            piece = stdin.read(min(PIECE, left))
            if not piece:
                raise Refused("the backup ended in the middle of " + data["path"])
            digest.update(piece)
            file.write(piece)
            left -= len(piece)
        file.flush()
        os.fchmod(file.fileno(), data["mode"])
        os.fsync(file.fileno())
    os.utime(path, (data["mtime"], data["mtime"]))
    if digest.hexdigest() != data["sha256"]:
        raise Refused(data["path"] + " came out otherwise than it was sent")


def carry(old, new, paths):
    """Copy what no backup holds, such as the secrets, from the old state to the new one."""
    for path in paths:
        source, target = os.path.join(old, path), os.path.join(new, path)
        if not os.path.lexists(source) or os.path.lexists(target):
            continue
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if os.path.isdir(source) and not os.path.islink(source):
            shutil.copytree(source, target, symlinks=True, ignore=sockets)
        else:
            shutil.copy2(source, target, follow_symlinks=False)


def sockets(folder, names):
    """Return the names in a folder that are neither files, folders nor links."""
    paths = {name: os.path.join(folder, name) for name in names}
    return [
        name
        for name, path in paths.items()
        if not (os.path.islink(path) or os.path.isfile(path) or os.path.isdir(path))
    ]


def exchange(new, old):
    """Exchange two folders in one step, as only the system can. Raises OSError."""
    libc = ctypes.CDLL(ctypes.util.find_library("c"), use_errno=True)
    one_, other = os.fsencode(new), os.fsencode(old)
    if sys.platform == "darwin":
        status = libc.renamex_np(one_, other, ctypes.c_uint(RENAME_SWAP))
    else:
        status = libc.renameat2(AT_FDCWD, one_, AT_FDCWD, other, ctypes.c_uint(RENAME_SWAP))
    if status != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), new)


def restore(stdin, task):
    """Do it; return what came of it."""
    root, new = task["root"], task["root"] + ".restore"
    kept = root + ".before-" + task["stamp"]
    refuse_running(task["label"])
    if os.path.lexists(kept):
        raise Refused(kept + " is there already")
    if os.path.lexists(new):
        shutil.rmtree(new)  # A restore that was killed left it.
    os.mkdir(new, 0o700)
    try:
        files = receive(stdin, new)
        if os.path.isdir(root):
            carry(root, new, task["carry"])
        refuse_running(task["label"])
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    if not os.path.isdir(root):
        os.rename(new, root)
        return {"ok": True, "files": files, "kept": ""}
    # Under its later name before the exchange: no cleaning up ever meets the old state.
    os.rename(new, kept)
    exchange(kept, root)
    return {"ok": True, "files": files, "kept": kept}


def main(stdin, stdout):
    """Do the task on `stdin`, and say what came of it."""
    os.umask(0o077)
    try:
        answer = restore(stdin, json.loads(stdin.readline()))
    except Refused as error:
        answer = {"ok": False, "why": str(error)}
    except (OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
        answer = {"ok": False, "why": "%s: %s" % (type(error).__name__, error)}
    stdout.write(json.dumps(answer).encode() + b"\n")
    stdout.flush()


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout.buffer)
