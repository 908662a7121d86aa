"""Runs in the guest as the service's user, on its own Python 3.9: files that hold secrets.

Sent on stdin by `roles.agent.secrets`, with what it is to do behind it. Says in words what differs
and never shows, keeps or hashes a content for anybody: contents are compared by an HMAC whose key
travels with the question and is forgotten with the answer.
"""

import errno
import hmac
import json
import os
import resource
import stat
import sys

LARGEST = 1024 * 1024


def temporary(path):
    """Return the name under which a file is written before it takes its place."""
    folder, name = os.path.split(path)
    return os.path.join(folder, "." + name + ".clawkeep~")


def difference(path, key, wanted):
    """Say how the file at `path` differs from what has the HMAC `wanted`, or None."""
    if os.path.lexists(temporary(path)):
        return "an unfinished copy is beside it"
    if wanted is None:
        return "must not be there" if os.path.lexists(path) else None
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return "missing" if error.errno == errno.ENOENT else os.strerror(error.errno).lower()
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        return "no regular file"
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(LARGEST)
    words = []
    if not hmac.compare_digest(hmac.new(key, content, "sha256").hexdigest(), wanted):
        words.append("content")
    if stat.S_IMODE(found.st_mode) != 0o600:
        words.append(f"mode {stat.S_IMODE(found.st_mode):o} -> 600")
    if found.st_uid != os.geteuid():
        words.append("owner")
    if found.st_nlink != 1:
        words.append("has another name, too")
    return ", ".join(words) or None


def compare(key, files):
    """Return what differs, by path."""
    found = ((path, difference(path, bytes.fromhex(key), mac)) for path, mac in files)
    return {path: words for path, words in found if words}


def write(path, content):
    """Replace a file: whole, 0600 from its first byte on, and on the disk when this returns."""
    beside = temporary(path)
    if os.path.lexists(beside):
        os.unlink(beside)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(beside, flags, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.rename(beside, path)
    except BaseException:
        os.unlink(beside)
        raise
    settle(os.path.dirname(path))


def remove(path):
    """Have no file at `path`, nor an unfinished one beside it."""
    for name in (path, temporary(path)):
        if os.path.lexists(name):
            os.unlink(name)
            settle(os.path.dirname(path))


def settle(folder):
    """Have the disk take what changed in a folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def place(files):
    """Write every file, or remove those without a content."""
    contents = [(path, None if text is None else text.encode()) for path, text in files]
    for path, content in contents:
        try:
            if content is None:
                remove(path)
            else:
                write(path, content)
        except OSError as error:
            sys.exit(path + ": " + os.strerror(error.errno))
    return {}


def main(stream):
    """Do what the JSON object on `stream` says, and print the answer as one."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # An exception may carry what was read: none of them is printed.
    try:
        task = json.loads(stream.read())
        step = {"compare": compare, "place": place}[task.pop("step")]
        answer = step(**task)
    except (ValueError, KeyError, TypeError, AttributeError):
        sys.exit("the question came in cut or is none; nothing was done")
    print(json.dumps(answer, sort_keys=True))
