"""`python -m lab`: start, list and stop labs, and run commands in them."""

import argparse
import datetime as dt
import os
import signal
import sys
from collections.abc import Callable

from lab.clock import Clock, duration, moment
from lab.lab import Lab, all_labs, down
from lab.state import LabError

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What asks a verb to end."""

CLOCK: dict[str, Callable[[Clock, str], None]] = {
    "forward": lambda clock, by: clock.forward(duration(by)),
    "back": lambda clock, by: clock.forward(-duration(by)),
    "sleep": lambda clock, by: clock.sleep(duration(by)),
    "set": lambda clock, to: clock.set(moment(to)),
}
"""What `clock` does."""


def main(arguments: list[str] | None = None) -> int:
    """Run one verb. Exit status: 0, 1 with the reason on stderr; `exec`: the command's own."""
    options = _parser().parse_args(arguments)
    for number in SIGNALS:
        signal.signal(number, lambda _number, _frame: _interrupt(options))
    try:
        return int(options.verb(options))
    except LabError as problem:
        print(f"lab: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: interrupted; nothing is left of it", file=sys.stderr)
        return 130


def _up(options: argparse.Namespace) -> int:
    lab = Lab.up(options.name, subnet=options.subnet, bridge=options.bridge, clock=options.clock)
    print(f"lab {lab.name} is up after {lab.facts['start_s']} s; its host:")
    print(f"  {' '.join(lab.ssh())}")
    for number in SIGNALS:
        # Python gives its own handlers back while it ends; the lab runs, so none is a failure now.
        signal.signal(number, signal.SIG_IGN)
    return 0


def _down(options: argparse.Namespace) -> int:
    if not down(options.name):
        print(f"lab: there is no lab {options.name}", file=sys.stderr)
    return 0


def _reboot(options: argparse.Namespace) -> int:
    Lab.named(options.name).reboot(power_cut=options.power_cut)
    return 0


def _clock(options: argparse.Namespace) -> int:
    clock = Lab.named(options.name).clock
    if (options.how == "show") != (options.by is None):
        raise LabError(f"clock {options.how} {options.by or ''}: expected forward 3h, back 1h, "
                       "sleep 8h, set 2026-10-25T00:30:00Z or show")  # fmt: skip
    try:
        if options.how in CLOCK:
            CLOCK[options.how](clock, options.by)
    except ValueError as problem:
        raise LabError(str(problem)) from None
    shown = dt.datetime.fromtimestamp(clock.now(), dt.UTC).isoformat(timespec="milliseconds")
    print(f"{shown.replace('+00:00', 'Z')}  {clock.offset:+.3f} s from this machine's")
    return 0


def _list(_options: argparse.Namespace) -> int:
    for name, facts in all_labs():
        if facts is None:
            print(f"{name:20} not running; clean up with: python -m lab down --name {name}")
        else:
            print(f"{name:20} running  pid {facts['pid']}  ssh 127.0.0.1:{facts['ssh_port']}")
    return 0


def _exec(options: argparse.Namespace) -> int:
    lab = Lab.named(options.name)
    words = options.command[1:] if options.command[:1] == ["--"] else options.command
    command = lab.command(options.machine, words, user=options.user)
    sys.stdout.flush()
    os.execvp(command[0], command)


def _interrupt(options: argparse.Namespace) -> None:
    """End what is under way; an `up` whose lab runs by now has succeeded and says so."""
    if options.verb is not _up or not _runs(options.name):
        raise KeyboardInterrupt


def _runs(name: str) -> bool:
    try:
        Lab.named(name)
    except LabError:
        return False
    return True


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab", description=__doc__)
    verbs = parser.add_subparsers(required=True, metavar="up|down|reboot|clock|list|exec")
    up = _verb(verbs, "up", _up, "start a lab")
    up.add_argument(
        "--subnet", help="the guests' gateway and prefix, as 192.168.65.1/24 (192.168.64.1/24)"
    )
    up.add_argument("--bridge", type=int, default=100, help="the bridge's number (%(default)s)")
    up.add_argument("--clock", action="store_true", help="with a clock of its own, for `clock`")
    _verb(verbs, "down", _down, "stop a lab, or clean up after one that died")
    reboot = _verb(verbs, "reboot", _reboot, "boot the host again, and wait for its sshd")
    reboot.add_argument("--power-cut", action="store_true", help="give its jobs no chance to end")
    clock = _verb(verbs, "clock", _clock, "set the lab's own clock, and say what it shows")
    clock.add_argument(
        "how", choices=("show", *CLOCK), help="sleep: a Mac's, which wakes so much later"
    )
    clock.add_argument("by", nargs="?", help="1h30m, 10d; of set a moment: 2026-10-25T00:30:00Z")
    _verb(verbs, "list", _list, "list labs")
    run = _verb(verbs, "exec", _exec, "run a command: exec host -- launchctl list")
    run.add_argument("--user", default="root", help="as whom, on host and guests (%(default)s)")
    run.add_argument("machine", help="host, guest:VM, lan or internet")
    run.add_argument("command", nargs=argparse.REMAINDER, help="-- and the command")
    return parser


def _verb(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, run: object, text: str
) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=text, description=text)
    parser.set_defaults(verb=run)
    default = os.environ.get("CLAWKEEP_LAB") or "default"
    parser.add_argument("--name", default=default, help="of the lab (%(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
