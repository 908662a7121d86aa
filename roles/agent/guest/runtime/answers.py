"""What docker and Apple Container tell about runs, in their own forms."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Sequence
from typing import Any

from roles.agent.guest.runtime import runs
from roles.agent.guest.runtime.arguments import options
from roles.agent.guest.runtime.processes import ask_agent
from roles.agent.guest.runtime.settings import Refused, Settings, named

VERSION = "clawkeep-direct"
_FIELD = re.compile(r"\{\{\s*(json\s+)?\.([A-Za-z.]*)\s*\}\}")
SIGNALS = ("HUP", "INT", "QUIT", "KILL", "USR1", "USR2", "TERM")
POLL_S = 0.02


def info(settings: Settings, words: list[str]) -> int:
    """Answer NanoClaw's "is it up": it is where the operator switched it on."""
    if not settings.enabled:
        raise Refused('agents may not run directly in this guest (decisions["agent"])', status=1)
    count = len(runs.living(settings))
    facts = {"ServerVersion": VERSION, "ContainersRunning": count, "Name": settings.user}
    templates = [value for option, value in options(words, set(), {"-f", "--format"}) if option]
    for template in templates:
        print(_filled(template, facts))
    if not templates:
        print(f"Server Version: {VERSION}\n Running: {count}")
    return 0


def version(settings: Settings, words: list[str]) -> int:
    """Say what this is."""
    del settings
    templates = [value for option, value in options(words, set(), {"-f", "--format"}) if option]
    facts = {"Client": {"Version": VERSION}, "Server": {"Version": VERSION}}
    print(*[_filled(template, facts) for template in templates] or [f"Docker version {VERSION}"])
    return 0


def list_runs(settings: Settings, words: list[str], apple: bool) -> int:
    """List the runs that live."""
    flags = {"-a", "--all", "-q", "--quiet", "--no-trunc"}
    shape, names, quiet = "", [], False
    for option, value in options(words, flags, {"--filter", "-f", "--format"}):
        if option == "":
            raise Refused(f"unexpected argument {value!r}", status=1)
        if option == "--format":
            shape = value
        elif option in ("-q", "--quiet"):
            quiet = True
        elif option in ("--filter", "-f"):
            names.append(_name_filter(value))
    rows = [_row(run) for run in runs.living(settings) if all(p.search(run.name) for p in names)]
    if shape == "json" and apple:
        print(
            json.dumps([{"status": "running", "configuration": {"id": r["Names"]}} for r in rows])
        )
    elif quiet or shape == "json":
        for row in rows:
            print(row["ID"] if quiet else json.dumps(row))
    elif shape and shape != "table":
        for row in rows:
            print(_filled(shape, row))
    else:
        _table(rows, apple)
    return 0


def inspect(settings: Settings, words: list[str]) -> int:
    """Describe runs."""
    flags: set[str] = set()
    templates, found, missing = [], [], []
    for option, value in options(words, flags, {"-f", "--format", "--type"}):
        if option in ("-f", "--format"):
            templates.append(value)
        elif option == "":
            missing.append(value)
    for run in runs.living(settings):
        if run.name in missing:
            missing.remove(run.name)
            found.append(_inspected(run))
    if templates:
        for facts in found:
            print(_filled(templates[-1], facts))
    else:
        print(json.dumps(found, indent=4))
    if missing:
        raise Refused(f"Error: No such object: {missing[0]}", status=1)
    return 0


def stop(settings: Settings, words: list[str]) -> int:
    """End runs: a request first, and after some seconds without asking."""
    wait_s, names = 10.0, []
    for option, value in options(words, set(), {"-t", "--time", "--timeout"}):
        if option:
            if not value.isdigit():
                raise Refused(f"invalid argument {value!r} for {option}: seconds")
            wait_s = float(value)
        else:
            names.append(value)
    return _each(names, lambda name: _stop(settings, name, wait_s))


def kill(settings: Settings, words: list[str]) -> int:
    """Send a signal to runs."""
    sent, names = "KILL", []
    for option, value in options(words, set(), {"-s", "--signal"}):
        if option:
            sent = value.upper().removeprefix("SIG")
        else:
            names.append(value)
    if sent not in SIGNALS:
        raise Refused(f"invalid signal: {sent}", status=1)
    return _each(names, lambda name: _kill(settings, name, sent))


def remove(settings: Settings, words: list[str]) -> int:
    """End runs by force: each is removed by itself when it ends."""
    force, names = False, []
    for option, value in options(words, {"-f", "--force", "-v", "--volumes"}, set()):
        if option:
            force = force or option in ("-f", "--force")
        else:
            names.append(value)
    if not force:
        for name in names:
            runs.find(settings, named(name))
            raise Refused(f"cannot remove container {name!r}: it runs; use -f", status=1)
    return _each(names, lambda name: _stop(settings, name, 0))


def _each(names: Sequence[str], act: Callable[[str], None]) -> int:
    if not names:
        raise Refused("at least one name is needed", status=1)
    failures = []
    for name in names:
        try:
            act(named(name))
            print(name, flush=True)
        except Refused as refused:
            failures.append(str(refused))
    if failures:
        raise Refused("\n".join(failures), status=1)
    return 0


def _stop(settings: Settings, name: str, wait_s: float) -> None:
    run = runs.find(settings, name)
    if wait_s:
        _send(run, "TERM", until=time.monotonic() + wait_s)
        if _gone(run, wait_s):
            return
    _send(run, "KILL", until=time.monotonic() + 1)
    if not _gone(run, 15):
        raise Refused(f"{name}: does not end; {run.root} says who it is")


def _kill(settings: Settings, name: str, sent: str) -> None:
    run = runs.find(settings, name)
    if failed := _send(run, sent, until=time.monotonic() + 1):
        raise Refused(f"{name}: {failed}")


def _send(run: runs.Run, sent: str, until: float) -> str:
    """Signal an agent, which may just be starting; return what went wrong, or ""."""
    while run.agent_process() is None and os.path.lexists(run.root) and time.monotonic() < until:
        time.sleep(POLL_S)
    return ask_agent(run.agent, "__signal", run.name, sent)


def _gone(run: runs.Run, wait_s: float) -> bool:
    until = time.monotonic() + wait_s
    while os.path.lexists(run.root):
        if time.monotonic() > until:
            return False
        time.sleep(POLL_S)
    return True


def _name_filter(text: str) -> re.Pattern[str]:
    key, equals, value = text.partition("=")
    if key != "name" or not equals:
        raise Refused(f"invalid filter {text!r}: only name=… is known", status=1)
    try:
        return re.compile(value)
    except re.error:
        return re.compile(re.escape(value))


def _row(run: runs.Run) -> dict[str, Any]:
    seconds = max(0, int(time.time()) - int(run.facts["started"]))
    agent = run.agent_process()
    return {
        "ID": run.name,
        "Names": run.name,
        "Image": run.facts["image"],
        "Command": "node",
        "Status": f"Up {seconds} seconds",
        "State": "running",
        "Pid": run.facts["supervisor"],
        "AgentPid": agent["pid"] if agent else None,
        "User": run.agent,
    }


def _inspected(run: runs.Run) -> dict[str, Any]:
    row, begun = _row(run), time.gmtime(int(run.facts["started"]))
    state = {
        "Status": "running",
        "Running": True,
        "Pid": row["AgentPid"] or 0,
        "StartedAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", begun),
    }
    config = {"Image": row["Image"], "User": run.agent}
    return {"Id": run.name, "Name": "/" + run.name, "State": state, "Config": config}


def _filled(template: str, facts: dict[str, Any]) -> str:
    """Fill docker's `{{.Field}}`; all else of Go's templates is refused."""

    def value(found: re.Match[str]) -> str:
        at: Any = facts
        for part in found.group(2).split("."):
            if part and (not isinstance(at, dict) or part not in at):
                raise Refused(f"template: no field .{found.group(2)}", status=1)
            at = at[part] if part else at
        return json.dumps(at) if found.group(1) or isinstance(at, (dict, bool)) else str(at)

    filled = _FIELD.sub(value, template)
    if "{{" in filled:
        raise Refused(f"template: {template!r} is not understood", status=1)
    return filled


def _table(rows: list[dict[str, Any]], apple: bool) -> None:
    heads = ("ID", "IMAGE", "STATE") if apple else ("CONTAINER ID", "IMAGE", "STATUS", "NAMES")
    keys = ("ID", "Image", "State") if apple else ("ID", "Image", "Status", "Names")
    table = [heads, *(tuple(str(row[key]) for key in keys) for row in rows)]
    widths = [max(len(line[column]) for line in table) for column in range(len(heads))]
    for line in table:
        print("   ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip())
