"""What docker and Apple Container tell about runs, in their own forms."""

from __future__ import annotations

import json
import re
import sys
import time
from typing import Any

from roles.agent.guest.runtime import runs
from roles.agent.guest.runtime.arguments import options
from roles.agent.guest.runtime.settings import Refused, Settings

VERSION = "clawkeep-direct"
_FIELD = re.compile(r"\{\{\s*(json\s+)?\.([A-Za-z.]*)\s*\}\}")


def info(settings: Settings, words: list[str]) -> int:
    """Answer NanoClaw's "is it up": it is where the operator switched it on."""
    if not settings.enabled:
        raise Refused('agents may not run directly in this guest (decisions["agent"])', status=1)
    count = len(runs.living(settings))
    facts = {"ServerVersion": VERSION, "ContainersRunning": count, "Name": settings.user}
    templates = [value for option, value in options(words, set(), {"-f", "--format"}) if option]
    plain = [f"Server Version: {VERSION}", f" Running: {count}"]
    _say([_filled(template, facts) for template in templates] or plain)
    return 0


def version(settings: Settings, words: list[str]) -> int:
    """Say what this is."""
    del settings
    templates = [value for option, value in options(words, set(), {"-f", "--format"}) if option]
    facts = {"Client": {"Version": VERSION}, "Server": {"Version": VERSION}}
    _say([_filled(template, facts) for template in templates] or [f"Docker version {VERSION}"])
    return 0


def list_runs(settings: Settings, words: list[str]) -> int:
    """List the runs that live, as docker does."""
    shape, quiet, rows = _listed(settings, words)
    if quiet or shape == "json":
        lines = [row["ID"] if quiet else json.dumps(row) for row in rows]
    elif shape and shape != "table":
        lines = [_filled(shape, row) for row in rows]
    else:
        heads = {"CONTAINER ID": "ID", "IMAGE": "Image", "STATUS": "Status", "NAMES": "Names"}
        lines = _table(rows, heads)
    _say(lines)
    return 0


def list_runs_apple(settings: Settings, words: list[str]) -> int:
    """List the runs that live, as Apple Container does."""
    shape, quiet, rows = _listed(settings, words)
    if shape == "json":
        plain = [{"status": "running", "configuration": {"id": row["ID"]}} for row in rows]
        _say([json.dumps(plain)])
    elif quiet:
        _say([row["ID"] for row in rows])
    else:
        _say(_table(rows, {"ID": "ID", "IMAGE": "Image", "STATE": "State"}))
    return 0


def _listed(settings: Settings, words: list[str]) -> tuple[str, bool, list[dict[str, Any]]]:
    """Return the form that was asked for, whether only names were, and the runs."""
    flags = {"-a", "--all", "-q", "--quiet", "--no-trunc"}
    shape, names, quiet = "", [], False
    for option, value in options(words, flags, {"--filter", "-f", "--format"}):
        if not option:
            raise Refused(f"unexpected argument {value!r}", status=1)
        if option == "--format":
            shape = value
        elif option in ("--filter", "-f"):
            names.append(_name_filter(value))
        else:
            quiet = quiet or option in ("-q", "--quiet")
    living = runs.living(settings)
    return shape, quiet, [_row(run) for run in living if all(p.search(run.name) for p in names)]


def inspect(settings: Settings, words: list[str]) -> int:
    """Describe runs."""
    templates, found, missing = [], [], []
    for option, value in options(words, set(), {"-f", "--format", "--type"}):
        if option in ("-f", "--format"):
            templates.append(value)
        elif option == "":
            missing.append(value)
    for run in runs.living(settings):
        if run.name in missing:
            missing.remove(run.name)
            found.append(_inspected(run))
    plain = [json.dumps(found, indent=4)]
    _say([_filled(templates[-1], facts) for facts in found] if templates else plain)
    if missing:
        raise Refused(f"Error: No such object: {missing[0]}", status=1)
    return 0


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


def _table(rows: list[dict[str, Any]], columns: dict[str, str]) -> list[str]:
    table = [list(columns), *([str(row[key]) for key in columns.values()] for row in rows)]
    widths = [max(len(line[column]) for line in table) for column in range(len(columns))]
    return [
        "   ".join(text.ljust(widths[column]) for column, text in enumerate(line)).rstrip()
        for line in table
    ]


def _say(lines: list[str]) -> None:
    sys.stdout.write("".join(line + "\n" for line in lines))
