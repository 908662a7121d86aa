"""launchctl's way of printing jobs and domains: not an API, but scripts read it anyway.

Source: reference/macos.md §4.2 (`state =`, `pid =`, `last exit code =`).
"""

import os
import signal
from typing import Any

SYSEXITS = {64: "EX_USAGE", 69: "EX_UNAVAILABLE", 70: "EX_SOFTWARE", 71: "EX_OSERR",
            72: "EX_OSFILE", 73: "EX_CANTCREAT", 74: "EX_IOERR", 75: "EX_TEMPFAIL",
            77: "EX_NOPERM", 78: "EX_CONFIG"}  # fmt: skip
SIGNAL_WORDS = {signal.SIGTERM: "Terminated", signal.SIGKILL: "Killed", signal.SIGHUP: "Hangup"}


def last_exit(status: int | None) -> str:
    """Return the line that tells how the last run ended, from its wait status."""
    if status is None:
        return "last exit code = (never exited)"
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        word = SIGNAL_WORDS.get(signal.Signals(number), signal.strsignal(number) or "Unknown")
        return f"last terminating signal = {word}: {number}"
    code = os.WEXITSTATUS(status)
    name = f": {SYSEXITS[code]}" if code in SYSEXITS else ""
    return f"last exit code = {code}{name}"


def service(facts: dict[str, Any]) -> str:
    """Return what `launchctl print system/<label>` prints."""
    active = int(facts["pid"] is not None) + facts["connections"]
    lines = [f"{facts['target']} = {{"]
    lines += [
        f"\t{line}"
        for line in (
            f"active count = {active}",
            f"path = {facts['path']}",
            f"type = {facts['type']}",
            f"state = {facts['state']}",
            "",
            f"program = {facts['program']}",
        )
    ]
    lines += _block("arguments", facts["arguments"])
    for key in ("working directory", "stdout path", "stderr path"):
        lines += [f"\t{key} = {facts[key]}"] if facts[key] else []
    lines += _block("environment", [f"{k} => {v}" for k, v in facts["environment"].items()])
    lines += [f"\tdomain = {facts['domain']}"]
    for key in ("username", "group"):
        lines += [f"\t{key} = {facts[key]}"] if facts[key] else []
    lines += [
        f"\tminimum runtime = {facts['minimum runtime']}",
        f"\texit timeout = {facts['exit timeout']}",
        f"\truns = {facts['runs']}",
    ]
    if facts["pid"] is not None:
        lines += [f"\tpid = {facts['pid']}", f"\timmediate reason = {facts['reason']}"]
    lines += [f"\t{last_exit(facts['status'])}"]
    if facts["run interval"]:
        lines += [f"\trun interval = {facts['run interval']} seconds"]
    lines += ["", f"\tproperties = {' | '.join(facts['properties'])}", "}"]
    return "\n".join(lines)


def domain(facts: dict[str, Any]) -> str:
    """Return what `launchctl print system` prints."""
    running = [entry for entry in facts["services"] if entry["pid"]]
    lines = [
        f"{facts['name']} = {{",
        f"\ttype = {facts['kind']}",
        f"\tsession = {facts['session']}",
        f"\tactive service count = {len(running)}",
        f"\tservice count = {len(facts['services'])}",
    ]
    rows = [
        f"{entry['pid'] or 0:>8} {status_column(entry['status']):>6} \t{entry['label']}"
        for entry in facts["services"]
    ]
    lines += _block("services", rows)
    lines += ["\t" + line for line in disabled(facts["disabled"]).splitlines()]
    return "\n".join([*lines, "}"])


def disabled(overrides: dict[str, bool]) -> str:
    """Return what `launchctl print-disabled` prints."""
    rows = [f'\t"{k}" => {"disabled" if v else "enabled"}' for k, v in overrides.items()]
    return "\n".join(["disabled services = {", *rows, "}"])


def status_column(status: int | None) -> str:
    """Return the Status column of `launchctl list`: exit code, negative signal, 0 before."""
    if status is None:
        return "0"
    return str(-os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status))


def listing(services: list[dict[str, Any]]) -> str:
    """Return what `launchctl list` prints."""
    rows = [f"{s['pid'] or '-'}\t{status_column(s['status'])}\t{s['label']}" for s in services]
    return "\n".join(["PID\tStatus\tLabel", *rows])


def legacy(facts: dict[str, Any]) -> str:
    """Return what `launchctl list <label>` prints; LastExitStatus is the raw wait status."""
    lines = ["{"]
    for key, name in (("StandardOutPath", "stdout path"), ("StandardErrorPath", "stderr path")):
        lines += [f'\t"{key}" = "{facts[name]}";'] if facts[name] else []
    lines += [
        f'\t"LimitLoadToSessionType" = "{facts["session"]}";',
        f'\t"Label" = "{facts["label"]}";',
        f'\t"OnDemand" = {"true" if facts["on demand"] else "false"};',
        f'\t"LastExitStatus" = {facts["status"] or 0};',
    ]
    lines += [f'\t"PID" = {facts["pid"]};'] if facts["pid"] else []
    lines += [f'\t"Program" = "{facts["program"]}";', '\t"ProgramArguments" = (']
    lines += [f'\t\t"{argument}";' for argument in facts["arguments"]]
    return "\n".join([*lines, "\t);", "};"])


def _block(name: str, rows: list[str]) -> list[str]:
    return ["", f"\t{name} = {{", *(f"\t\t{row}" for row in rows), "\t}", ""]
