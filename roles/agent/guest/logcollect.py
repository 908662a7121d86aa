"""Moves what NanoClaw's raw logs hold into the cleaned one, and keeps both small. Python 3.9.

Also notes the signs that `clawkeep agent status` needs, so that they outlive the lines: when which
process said first and last anything, when it said that it is up, and when its channels said that
they were connected or lost.
"""

import contextlib
import os
import re
import sys
import time
from collections import Counter

import logclean
import lograw
import logstore

KEEP_ALIVE_S = 30
"""The bookmark is written at least so often: its age shows that the collector lives."""

WINDOW_S = 600
FLOOD = 1 << 20
"""Bytes in `WINDOW_S` from which it is a flood: a WhatsApp that cannot connect writes twice that
(reference/nanoclaw.md §2.2)."""

ASK_AGAIN_S = 60
PROCESSES = 4
"""How many processes' signs are remembered."""

RECORD = re.compile(rb"\[[0-9:.]{12}\] ([A-Z]+) \((\d+)\): (.*)", re.DOTALL)
NUMBERS = re.compile(rb"\d+")


class Collector:
    """One step cleans what has come since the last; `settings` is what logs.json says."""

    def __init__(self, settings, clock=time.time, held=lograw.held):
        self.settings, self.clock, self.held = settings, clock, held
        self.folder = settings["folder"]
        self.clean = os.path.join(self.folder, "clean")
        self.signs = {
            name: (re.compile(up.encode()), re.compile(down.encode()) if down else None)
            for name, (up, down) in settings["signs"].items()
        }
        self.banner = re.compile(settings["banner"].encode())
        self.secrets, self.versions = [], None
        self.redactor = logclean.Redactor()
        self.common, self.asked, self.holes = Counter(), {}, {}
        os.makedirs(self.clean, mode=0o700, exist_ok=True)

    def step(self):
        """Clean what has come; tell whether more is waiting. Raises OSError."""
        self._read_secrets()
        now, mark = self.clock(), logstore.load(self.clean)
        before, present = mark["files"], self._present()
        batches = [each for each in self._batches(before, now) if each[1]]
        mark["files"] = {key: each for key, each in before.items() if key in present}
        mark["files"].update((batch.mark["key"], batch.mark) for _, batch, _ in batches)
        entries, floor = [], {}
        for stream, batch, _ in batches:
            dated = self._dated(stream, batch, now, floor.get(stream, 0.0))
            if dated:
                floor[stream] = dated[-1][0]
            entries += dated
            old = before.get(batch.mark["key"], {}).get("offset", 0)
            self._measure(mark, batch.mark["offset"] - old, len(batch.lines), now)
        entries.sort(key=lambda entry: entry[0])
        for _, moment, stream, _, text in entries:
            self._note(mark, stream, text, moment)
        entries += self._flood(mark, now)
        silent = not 0 <= now - mark["checked"] < KEEP_ALIVE_S
        if entries or silent or before.keys() != mark["files"].keys():
            data = b"".join(
                logstore.line(moment, stream, more, text)
                for _, moment, stream, more, text in entries
            )
            mark["checked"] = now
            logstore.commit(self.clean, mark, data, now, self.settings["keep"])
            logstore.prune(self.clean, now, self.settings["keep"])
            self._give_back(batches)
        return any(batch.again for _, batch, _ in batches)

    def _batches(self, marks, now):
        """Yield (stream, batch, whether the file has ended) of every raw log; first the retired."""
        for stream, name in self.settings["streams"].items():
            done = name + lograw.DONE
            # Asked before it is read: what nobody holds does not grow.
            path = os.path.join(self.folder, done)
            ended = os.path.exists(path) and self._let_go(path)
            batch = lograw.read(self.folder, done, marks, self.redactor, now)
            more = bool(batch and batch.again)
            if batch and ended and not more:
                lograw.flush(self.folder, batch)
            yield stream, batch, bool(batch and ended and not more)
            if not more:
                batch = lograw.read(self.folder, name, marks, self.redactor, now)
                yield stream, batch, False

    def _present(self):
        """Return the keys of all raw logs that there are."""
        found = set()
        for name in self.settings["streams"].values():
            for each in (name, name + lograw.DONE):
                with contextlib.suppress(FileNotFoundError):
                    found.add(lograw.key(os.lstat(os.path.join(self.folder, each))))
        return found

    def _let_go(self, path):
        """Tell whether nobody holds the file; asked once a minute, since lsof is slow."""
        now = self.clock()
        if 0 <= now - self.asked.get(path, -ASK_AGAIN_S) < ASK_AGAIN_S:
            return False
        self.asked[path] = now
        return not self.held(path)

    def _read_secrets(self):
        """Read the secrets again when their files have changed; old ones stay known."""
        versions = []
        for path in self.settings["secrets"]:
            if os.path.exists(path):
                status = os.stat(path)
                versions.append((path, status.st_ino, status.st_size, status.st_mtime_ns))
        if versions == self.versions:
            return
        for path, *_ in versions:
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                text = file.read()
            if path.endswith(".env"):
                found = logclean.secrets_of_env(text, self.settings["plain"])
            else:
                found = logclean.secrets_of_json(text)
            self.secrets += [pair for pair in found if pair not in self.secrets]
        self.redactor, self.versions = logclean.Redactor(self.secrets), versions

    def _dated(self, stream, batch, now, floor):
        """Return (order, moment, stream, more, text) for each line of a batch.

        A line without a stamp belongs to the one before it. `order` begins at `floor` and never
        runs backwards, so that sorting the streams into one leaves each of them as it was.
        """
        texts = [logclean.ANSI.sub(b"", line) for line, _ in batch.lines]
        stamps = [logclean.stamp(text) for text in texts]
        moments = iter(
            logclean.moments([s for s in stamps if s], batch.seen, min(batch.written, now))
        )
        last = batch.mark["last"]
        order, entries = max(last, floor), []
        if batch.notice:
            entries.append((order, now, "---", False, batch.notice.encode()))
        for text, stamp, (_, more) in zip(texts, stamps, batch.lines):
            if stamp:
                last = next(moments)
            elif not last or (not entries and text[:1] not in b" \t"):
                # Said by something else than the logger, since the last look.
                last = max(last, batch.seen) or min(batch.written, now)
            order = max(order, last)
            entries.append((order, last, stream, more, self.redactor.redact(text)))
        batch.mark["last"] = last
        return entries

    def _note(self, mark, stream, text, moment):
        """Note the signs of life in one line."""
        match = RECORD.match(text)
        if not match or stream not in ("out", "err"):
            return
        _, pid, message = match.groups()
        self.common[NUMBERS.sub(b"#", message)[:80]] += 1
        known = mark["signs"]
        sign = known.pop(pid.decode(), None) or {"first": moment, "channels": {}}
        known[pid.decode()] = sign
        while len(known) > PROCESSES:
            del known[next(iter(known))]
        sign["last"] = moment
        if self.banner.search(message):
            sign["banner"] = moment
        for name, (up, down) in self.signs.items():
            state = "up" if up.search(message) else "down" if down and down.search(message) else ""
            if state:
                words = message[:200].decode(errors="replace")
                sign["channels"][name] = {"state": state, "t": moment, "text": words}

    def _measure(self, mark, size, lines, now):
        """Count what came in this minute."""
        minute = int(now // 60)
        flow = [each for each in mark["flow"] if minute - 60 <= each[0] <= minute]
        if not flow or flow[-1][0] != minute:
            flow.append([minute, 0, 0])
        flow[-1][1] += size
        flow[-1][2] += lines
        mark["flow"] = flow

    def _flood(self, mark, now):
        """Return the notice that a flood begins or ends, as entries."""
        recent = [each for each in mark["flow"] if each[0] > (now - WINDOW_S) // 60]
        size, lines = sum(each[1] for each in recent), sum(each[2] for each in recent)
        words = ""
        if size >= FLOOD and not mark["flood"]:
            mark["flood"] = now
            often = b"".join(b'; most often: "%s"' % key for key, _ in self.common.most_common(1))
            words = "flood: %d lines, %d bytes in %d minutes%s" % (
                lines, size, WINDOW_S // 60, often.decode(errors="replace"),
            )  # fmt: skip
        elif mark["flood"] and size < FLOOD // 2:
            words = "the flood that began %d minutes ago is over" % ((now - mark["flood"]) // 60)
            mark["flood"] = 0.0
        if len(self.common) > 1000 or not lines:
            self.common.clear()
        return [(now, now, "---", False, words.encode())] if words else []

    def _give_back(self, batches):
        """Free the space of what is committed."""
        for _, batch, ended in batches:
            path = os.path.join(self.folder, batch.name)
            key = batch.mark["key"]
            if ended:
                os.unlink(path)
                self.holes.pop(key, None)
                continue
            try:
                self.holes[key] = lograw.punch(self.folder, batch, self.holes.get(key, 0))
            except OSError as error:
                # Once is enough: what cannot be freed now is freed when the file is retired.
                if key not in self.holes:
                    sys.stderr.write("%s: its read part keeps its space: %s\n" % (path, error))
                self.holes[key] = batch.mark["offset"]
            done = path + lograw.DONE
            if (
                batch.size >= lograw.RETIRE
                and not batch.again
                and not batch.name.endswith(lograw.DONE)
                and not os.path.exists(done)
                and self._let_go(path)
            ):
                # A process that launchd has just started goes on in the renamed file, and so do we.
                os.rename(path, done)
