"""`clawkeep alert`: the operator's look at the alerts, and the way in for the host's other jobs."""

from __future__ import annotations

import argparse
import getpass
import json
import os
import re
import sqlite3
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from clawkeep.alerts import SEVERITIES, Event, HookError, Message, Silence
from clawkeep.alerts import post as posting
from clawkeep.alerts.database import DamagedError
from clawkeep.alerts.queue import opened
from clawkeep.alerts.words import span
from clawkeep.onhost import alert_daemon, alert_send, clock, paths, vet
from clawkeep.onhost.alert_send import Settings
from clawkeep.onhost.plain import plain

LONGEST_SILENCE_S = 30 * 86400
RECENT = 20


def main(arguments: Sequence[str]) -> int:
    """Run one verb; see `clawkeep alert --help` for its exit status."""
    options = parser().parse_args(arguments)
    if options.verb == "post":
        return posting.main()
    if os.geteuid() != 0:
        return _fail("only root may look at or change alerts: use sudo", 77)
    try:
        return int(options.run(options))
    except (HookError, DamagedError, OSError, sqlite3.Error) as error:
        where = f"{paths.HOOKS}: " if isinstance(error, HookError) else ""
        return _fail(f"{where}{error}", 2)
    except ValueError as error:
        return _fail(str(error), 64)


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = argparse.ArgumentParser(
        prog="clawkeep alert",
        description="Alerts: what stands, what waits, and whether the hooks work.",
        epilog="exit status: 0 well, 1 an alert stands (list) or a hook does not work (test), 2 "
        "cannot tell, or no hook is declared\n\nexample: sudo clawkeep alert test",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = made.add_subparsers(dest="verb", required=True)
    run = verbs.add_parser("run", help="for launchd: look, queue and send for ever")
    run.set_defaults(run=lambda _: alert_daemon.run())
    verbs.add_parser("post", help="for `run`: post what stdin says, as whoever this is")
    test = verbs.add_parser("test", help="send a test to every hook, and say what became of it")
    test.add_argument("hook", nargs="?", help="to this one alone")
    test.add_argument("--json", action="store_true")
    test.set_defaults(run=_test)
    listing = verbs.add_parser("list", help="show what stands, what waits, and how the hooks are")
    listing.add_argument("--json", action="store_true")
    listing.set_defaults(run=_list)
    silence = verbs.add_parser("silence", help="tell nobody of an alert for a time")
    silence.add_argument("key", help="as `list` shows it; 'all' for every alert")
    silence.add_argument("--for", dest="span", help="such as 2h; not with --end")
    silence.add_argument("--reason", default="")
    silence.add_argument("--who", default="")
    silence.add_argument("--end", action="store_true", help="end the silence")
    silence.set_defaults(run=_silence)
    begin = verbs.add_parser("raise", help="raise an alert, from a job of your own")
    begin.add_argument("key")
    begin.add_argument("text")
    begin.add_argument("--severity", choices=SEVERITIES, default="warning")
    begin.add_argument("--evidence", default="")
    begin.set_defaults(run=_raise)
    clear = verbs.add_parser("clear", help="say that an alert is over")
    clear.add_argument("key")
    clear.set_defaults(run=_clear)
    return made


def _test(options: argparse.Namespace) -> int:
    settings = alert_send.settings()
    hooks = [hook for hook in settings.hooks if options.hook in {None, hook.name}]
    if options.hook and not hooks:
        names = ", ".join(hook.name for hook in settings.hooks) or "there is none"
        raise ValueError(f"no hook is called {options.hook!r}; declared: {names}")
    now, rows = clock.now(), []
    for hook in hooks:
        message = Message(
            0, os.urandom(6).hex(), hook.name, "test", "test", "info",
            f"a test, asked for by {os.environ.get('SUDO_USER') or getpass.getuser()}",
            "If you can read this, alerts reach you here.", now, 1, now,
        )  # fmt: skip
        began = time.monotonic()
        outcome = alert_send.deliver(settings, hook, message)
        took = round((time.monotonic() - began) * 1000)
        rows.append({"hook": hook.name, "kind": hook.kind, "to": hook.goes_to,
                     "ok": outcome.kind == "sent", "why": outcome.why, "ms": took})  # fmt: skip
    if options.json:
        print(json.dumps({"hooks": rows}))
    else:
        for row in rows:
            words = f"taken in {row['ms']} ms" if row["ok"] else f"NOT taken: {row['why']}"
            print(plain(f"{row['hook']:14} {row['to']}: {words}", 400))
    if not rows:
        return _fail("no hook is declared: `alerts` in group_data/all.py", 2)
    return 0 if all(row["ok"] for row in rows) else 1


def _list(options: argparse.Namespace) -> int:
    settings = alert_send.settings()
    now = clock.now()
    with _queue(settings) as queue:
        standing = queue.alerts(active=True)
        data: dict[str, Any] = {
            "standing": [asdict(alert) for alert in standing],
            "over": [asdict(alert) for alert in queue.alerts(active=False)[:RECENT]],
            "silences": [asdict(silence) for silence in queue.silences(now)],
            "hooks": [
                {"name": h.name, "kind": h.kind, "to": h.goes_to, "waiting": queue.waiting(h.name),
                 **{k: v for k, v in queue.hook(h.name).items()
                    if k in {"sent", "failures", "error", "dropped", "refused"}}}
                for h in settings.hooks
            ],
        }  # fmt: skip
        silenced = {alert.key for alert in standing if queue.silenced(alert.key, now)}
    if options.json:
        print(json.dumps(data))
    else:
        for line in _lines(data, silenced, now):
            print(plain(line, 400))
    if not settings.hooks:
        sys.stderr.write("no hook is declared: nobody is told (`alerts` in group_data/all.py)\n")
    return 1 if any(a.severity != "info" and a.key not in silenced for a in standing) else 0


def _lines(data: dict[str, Any], silenced: set[str], now: float) -> list[str]:
    rows = []
    for alert in data["standing"]:
        mute = " (silenced)" if alert["key"] in silenced else ""
        words = f"for {span(now - alert['since'])}: {alert['text']}{mute}"
        rows.append((alert["severity"], alert["key"], words))
    rows += [("over", a["key"], f"{_time(a['last'])}: {a['text']}") for a in data["over"]]
    rows += [
        ("silence", one["key"], f"until {_time(one['until'])}, by {one['who']}: {one['reason']}")
        for one in data["silences"]
    ]
    for hook in data["hooks"]:
        said = [f"{hook['to']}, {hook['waiting']} wait"]
        said += [f"last took one {_time(hook['sent'])}" if hook["sent"] else "took none yet"]
        said += [f"{hook[name]} {name}" for name in ("dropped", "refused") if hook[name]]
        said += [f"{hook['failures']} failures: {hook['error']}"] if hook["error"] else []
        rows.append(("hook", hook["name"], "; ".join(said)))
    return [f"{kind:9} {name:20} {words}" for kind, name, words in rows]


def _silence(options: argparse.Namespace) -> int:
    key = "*" if options.key == "all" else options.key
    with _queue(alert_send.settings()) as queue:
        if options.end:
            if not queue.unsilence(key):
                return _fail(f"{options.key} is not silenced", 1)
            print(f"{options.key}: the silence has ended")
            return 0
        if not options.span:
            raise ValueError("say for how long: --for 2h (or --end)")
        seconds = _seconds(options.span)
        if key != "*" and queue.alert(key) is None:
            raise ValueError(f"there is no alert {key!r}; `clawkeep alert list` shows them")
        user = os.environ.get("SUDO_USER") or "root"
        who = f"{vet.line(options.who, 'who')} as {user}" if options.who else user
        until = clock.now() + seconds
        queue.silence(Silence(key, until, who, plain(options.reason)))
    print(f"{options.key}: nobody is told until {_time(until)}")
    return 0


def _raise(options: argparse.Namespace) -> int:
    event = Event(options.key, options.severity, options.text, options.evidence)
    with _queue(alert_send.settings()) as queue:
        queue.raise_(event, clock.now())
    return 0


def _clear(options: argparse.Namespace) -> int:
    with _queue(alert_send.settings()) as queue:
        if not queue.clear(options.key, clock.now()):
            return _fail(f"no alert {options.key!r} stands", 1)
    return 0


def _queue(settings: Settings) -> Any:
    return opened(paths.ALERTS, [h.route for h in settings.hooks if h.kind != "ping"])


def _seconds(text: str) -> float:
    match = re.fullmatch(r"([0-9]{1,6})([smhd])", text)
    seconds = int(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]] if match else 0
    if not 0 < seconds <= LONGEST_SILENCE_S:
        raise ValueError(f"{text!r} is no span; expected 15m, 2h or 3d, at most 30d")
    return seconds


def _time(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


def _fail(words: str, status: int) -> int:
    sys.stderr.write(f"clawkeep alert: {plain(words, 400)}\n")
    return status
