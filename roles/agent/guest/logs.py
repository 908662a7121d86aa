"""Keeps NanoClaw's logs: dated, without colours and secrets, rotated, and readable from the host.

    /usr/bin/python3 -I logs.py watch                     the launchd job: cleans what comes, for ever
    /usr/bin/python3 -I logs.py collect                   cleans what is there
    /usr/bin/python3 -I logs.py show [--since UNIX_TIME | --place S:O] [--follow]

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

# -I leaves the program's own folder out of the path; it is root's.
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import logclean  # noqa: E402
import logcollect  # noqa: E402
import logstore  # noqa: E402

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
    if not os.path.isdir(folder):
        _say(note="%s does not exist: the job com.nanoclaw.logs has never run" % folder)
        return 1
    with contextlib.suppress(OSError):
        collect(settings)
    early = b"" if place else logclean.iso(since)[:SECONDS].encode()
    place = place or logstore.begin(folder, since)
    last = warned = 0.0
    while True:
        found = logstore.lines(folder, place)
        for place, line in found:
            if line[:SECONDS] >= early:
                early = b""
                _say_line(place, line)
        now = time.time()
        if not found:
            if not follow:
                break
            checked = logstore.load(folder)["checked"]
            if not 0 <= now - checked <= STALE_S and now - warned > STALE_S:
                warned = now
                _say(note="nothing was collected for %d s: com.nanoclaw.logs does not run"
                          % (now - checked))  # fmt: skip
            if now - last >= BEAT_S or now < last:
                last = now
                _say(beat=now)
            sys.stdout.flush()
            if _gone(FOLLOW_S):
                break
    sys.stdout.flush()
    return 0


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
        return show(settings, options.place, options.since, options.follow)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
