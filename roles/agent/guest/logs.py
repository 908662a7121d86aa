"""Keeps NanoClaw's logs: dated, without colours and secrets, rotated, and readable from the host.

    logs.py watch                                        the launchd job: cleans what comes
    logs.py collect                                      cleans what is there
    logs.py show [--since UNIX_TIME | --ago SECONDS | --place S:O] [--follow]

Runs in the guest as its service user, on its own Python 3.9. `show` prints one JSON object a line:
{"p": place, "s": stream, "t": time, "more": bool, "x": text}, {"note": sentence} or {"beat": time}.
With --follow it ends when its stdin does: so it learns that the operator has gone.
"""

import argparse
import contextlib
import fcntl
import json
import os
import select
import signal
import stat
import sys
import time

# -I leaves the program's own folder out of the path. Last: the library's modules come first.
sys.path.append(os.path.dirname(os.path.abspath(__file__)))

import logclean
import logcollect
import logstore

SETTINGS = "/etc/clawkeep/logs.json"
POLL_S = 1.0
FOLLOW_S = 0.5
BEAT_S = 5
STALE_S = 3 * logcollect.KEEP_ALIVE_S
SWEEP_S = 3600
SECONDS = len("2026-11-21T14:03:22")


def watch(settings):
    """Clean for ever; one collector at a time."""
    collector = logcollect.Collector(settings)
    with _locked(collector.clean, wait=True):
        swept = 0.0
        while True:
            if time.time() - swept >= SWEEP_S or time.time() < swept:
                swept = time.time()
                sweep(settings, swept)
            if not collector.step():
                time.sleep(POLL_S)


def collect(settings):
    """Clean what is there, unless the job does it just now."""
    collector = logcollect.Collector(settings)
    with _locked(collector.clean, wait=False) as free:
        while free and collector.step():
            pass


@contextlib.contextmanager
def _locked(folder, wait):
    """Hold the collectors' lock; yield whether it is ours."""
    fd = os.open(os.path.join(folder, "lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(fd)


def sweep(settings, now):
    """Remove what no program of NanoClaw 1.1 ever removes: the log of each run.

    Agents write in these folders, so names are looked up one by one and links are never followed.
    """
    keep = settings["runs"]
    journal = os.path.join(settings["folder"], "runtime.jsonl")
    with contextlib.suppress(OSError):
        if os.lstat(journal).st_size > keep["journal_bytes"]:
            os.rename(journal, journal + ".1")
    with contextlib.suppress(OSError):
        for group in os.listdir(keep["folder"]):
            with contextlib.suppress(OSError):
                _sweep_group(keep, group, now)


def _sweep_group(keep, group, now):
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    top = os.open(os.path.join(keep["folder"], group), flags)
    try:
        logs = os.open("logs", flags, dir_fd=top)
    finally:
        os.close(top)
    try:
        found = []
        for name in os.listdir(logs):
            if name.startswith("container-") and name.endswith(".log"):
                status = os.stat(name, dir_fd=logs, follow_symlinks=False)
                if stat.S_ISREG(status.st_mode):
                    found.append((status.st_mtime, name))
        found.sort(reverse=True)
        for place, (changed, name) in enumerate(found):
            if place >= keep["files"] or changed < now - keep["days"] * 86400:
                os.unlink(name, dir_fd=logs)
    finally:
        os.close(logs)


def show(settings, place, since, follow):
    """Print what is cleaned, from `place` or `since`; return the exit status."""
    folder = os.path.join(settings["folder"], "clean")
    if not os.path.isdir(settings["folder"]):
        _say(note="%s does not exist: NanoClaw has never run here" % settings["folder"])
        return 1
    try:
        collect(settings)
    except OSError as error:
        _say(note="what came last is not shown: %s" % error)
    _print_from(folder, place, since, follow)
    sys.stdout.flush()
    return 0


def _print_from(folder, place, since, follow):
    """Print what stands after `place`, or after `since`; with `follow` until stdin ends."""
    early = b"" if place else logclean.iso(since)[:SECONDS].encode()
    place = place or logstore.begin(folder, since)
    signs = Signs(folder)
    while True:
        found = logstore.lines(folder, place)
        for place, line in found:
            if line[:SECONDS] >= early:
                early = b""
                _say_line(place, line)
        if found:
            continue
        if not follow:
            return
        signs.give()
        sys.stdout.flush()
        if _gone(FOLLOW_S):
            return


class Signs:
    """Signs of life while nothing is written, and a word when nothing is collected."""

    def __init__(self, folder):
        self.folder, self.beat, self.warned = folder, 0.0, 0.0

    def give(self):
        """Print what is due."""
        now = time.time()
        age = now - logstore.load(self.folder)["checked"]
        if not 0 <= age <= STALE_S and abs(now - self.warned) > STALE_S:
            self.warned = now
            _say(note="nothing was collected for %d s: com.nanoclaw.logs does not run" % age)
        if abs(now - self.beat) >= BEAT_S:
            self.beat = now
            _say(beat=now)


def _gone(wait_s):
    """Wait; tell whether stdin has ended meanwhile."""
    ready, _, _ = select.select([0], [], [], wait_s)
    return bool(ready) and not os.read(0, 4096)


def _say_line(place, line):
    text = line.decode(errors="replace")
    width = logstore.WIDTH
    _say(
        p=str(place),
        t=text[:width],
        s=text[width + 1 : width + 4],
        more=text[width + 4 : width + 5] == "+",
        x=text[width + 6 :],
    )


def _say(**values):
    sys.stdout.write(json.dumps(values) + "\n")


def main(arguments):
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--settings", default=SETTINGS)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("watch")
    verbs.add_parser("collect")
    shown = verbs.add_parser("show")
    shown.add_argument("--since", type=float, default=0.0)
    shown.add_argument("--ago", type=float)
    shown.add_argument("--place", type=logstore.Place.parse)
    shown.add_argument("--follow", action="store_true")
    options = parser.parse_args(arguments)
    os.umask(0o077)
    with open(options.settings, encoding="utf-8") as file:
        settings = json.load(file)
    if options.verb == "watch":
        watch(settings)
    elif options.verb == "collect":
        collect(settings)
    else:
        # The operator has seen enough.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        since = options.since if options.ago is None else time.time() - options.ago
        return show(settings, options.place, since, options.follow)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
