"""The command `pfctl`. Source: reference/pf-grammar.md; reference/macos.md §1; pfctl(8)."""

from __future__ import annotations

import os
import sys

from ..calls import record
from . import control, load, show, tables
from .environment import Environment
from .flush import UnknownHostError, flush, kill_states
from .kernel import Kernel, locked, save
from .netfilter import RefusedError, enforce, read_counters
from .options import USAGE, Options, UsageError, parse_options
from .report import NoAnchorError, report
from .rules import KINDS, Rule

FLUSH_WARNING = """\
pfctl: Use of -f option, could result in flushing of rules
present in the main ruleset added by the system at startup.
See /etc/pf.conf for further details.

"""
_STILL = "disable request successful. {} more pf enable reference(s) remaining, pf still enabled."
NO_ALTQ = "No ALTQ support in kernel\nALTQ related functions disabled\n"


class PfctlError(Exception):
    """pfctl prints the message, as it is, and exits 1."""


def main(argv: list[str]) -> int:
    """Run pfctl; the exit status is 0, or 1 for anything wrong (2 when -T test finds nothing)."""
    try:
        options = parse_options(argv[1:])
    except UsageError as problem:
        record(argv, mutates=False)
        sys.stderr.write(f"{problem}\n" if str(problem) else "")
        sys.stderr.write(USAGE)
        return 1
    record(argv, mutates=options.mutates)
    try:
        return _Run(options).carry_out()
    except (PfctlError, load.LoadError, NoAnchorError) as problem:
        sys.stderr.write(f"{problem}\n")
    except (control.NotDoneError, tables.TableError, UnknownHostError) as problem:
        sys.stderr.write(f"pfctl: {problem}\n")
    except RefusedError as problem:
        sys.stderr.write(f"pfctl: DIOCXCOMMIT: Operation not supported by device\n{problem}\n")
    return 1


class _Run:
    """One run: what is asked for, in the order in which pfctl does it."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._environment = Environment()
        self._changed = False
        self._after: list[str] = []

    def carry_out(self) -> int:
        options = self._options
        if options.file is not None and not options.anchor and not options.quiet:
            sys.stderr.write(FLUSH_WARNING)
        if options.no_action:
            return self._load(None) if options.file is not None else 0
        if os.geteuid() != 0:
            raise PfctlError("pfctl: /dev/pf: Permission denied")
        sys.stderr.write(NO_ALTQ)
        if len(options.anchor) > 1023:
            raise PfctlError(f"pfctl: anchor name '{options.anchor}' too long")
        with locked() as kernel:
            status = self._steps(kernel)
            if self._changed:
                enforce(kernel, self._environment)
                save(kernel)
        if not options.quiet:
            sys.stderr.write("".join(f"{line}\n" for line in self._after))
        return status

    def _steps(self, kernel: Kernel) -> int:
        options = self._options
        status = 0
        if options.disable:
            control.disable(kernel)
            self._did("pf disabled")
        if options.show is not None:
            lines = report(kernel, options, options.show, self._environment)
            sys.stdout.write("".join(f"{line}\n" for line in lines))
        if options.clear is not None:
            self._did(*flush(kernel, options.anchor, options.clear))
        if options.killers:
            self._after.append(kill_states(options.killers, self._environment))
        if options.zero:
            read_counters(kernel)
            kernel.data["counters"] = {}
            self._did("pf: statistics cleared")
        if options.table_command is not None:
            status = self._table(kernel, options.table or "", options.table_command)
        if options.file is not None:
            status = self._load(kernel) or status
        try:
            self._switch(kernel)
        except control.NotDoneError as problem:
            # What was loaded stays loaded.
            self._after.append(f"pfctl: {problem}")
            status = 1
        return status

    def _did(self, *said: str) -> None:
        self._changed = True
        self._after += said

    def _switch(self, kernel: Kernel) -> None:
        options = self._options
        if options.enable:
            control.enable(kernel)
            self._did("pf enabled")
        if options.take_token:
            token = control.take(kernel, os.getpid(), "pfctl")
            self._did("pf enabled", f"Token : {token}")
        if options.release_token is not None:
            if not options.release_token.isdigit():
                raise PfctlError("pfctl: pf: token invalid")
            left = control.release(kernel, int(options.release_token))
            self._did(_STILL.format(left) if left else "pf disabled")

    # -- tables ---------------------------------------------------------------------------------

    def _table(self, kernel: Kernel, name: str, command: str) -> int:
        if len(name) > tables.MAX_TABLE_NAME:
            raise PfctlError("pfctl: Invalid argument.")
        anchor = self._options.anchor
        if command == "show":
            lines = tables.show(kernel, anchor, name)
            sys.stdout.write("".join(f"{line}\n" for line in lines))
            return 0
        entries, problems = tables.read_addresses(self._words(), self._environment)
        if problems:
            raise PfctlError("\n".join(problems))
        if command == "test":
            found = tables.matching(kernel, anchor, name, entries)
            self._after.append(f"{len(found)}/{len(entries)} addresses match.")
            if self._options.verbose:
                sys.stdout.write("".join(f"   {one}\n" for one in found))
            return 0 if len(found) == len(entries) else 2
        self._did(*tables.change(kernel, anchor, name, command, entries))
        return 0

    def _words(self) -> list[str]:
        words = list(self._options.addresses)
        if self._options.file is not None:
            file, self._options.file = self._options.file, None
            for line in self._read(file).splitlines():
                words += line.partition("#")[0].split()
        return words

    # -- loading --------------------------------------------------------------------------------

    def _read(self, path: str) -> str:
        if path == "-":
            return sys.stdin.buffer.read().decode("latin-1")
        try:
            return self._environment.read_text(path)
        except OSError as problem:
            raise PfctlError(
                f"pfctl: {path}: {problem.strerror}\n"
                f"pfctl: cannot open the main config file!: {problem.strerror}"
            ) from None

    def _load(self, kernel: Kernel | None) -> int:
        options = self._options
        path = options.file or ""
        text = self._read(path)
        if options.anchor.startswith("_") or "/_" in options.anchor:
            raise PfctlError("pfctl: anchor names beginning with '_' are reserved for internal use")
        try:
            loaded = load.read(path, text, options.anchor, self._environment, options.macros)
        except OSError as problem:
            raise PfctlError(
                f"pfctl: {problem.filename}: {problem.strerror}\npfctl: load anchors"
            ) from None
        failed = False
        for _, parsed in loaded.parts:
            lines = parsed.echo if options.verbose else []
            if options.verbose and not parsed.errors:
                lines = [*lines, *_listing(parsed.rulesets, options.verbose)]
            sys.stdout.write("".join(f"{line}\n" for line in lines))
            sys.stderr.write("".join(f"{line}\n" for line in parsed.errors))
            failed = failed or bool(parsed.errors)
        if failed:
            if not options.no_action:
                sys.stderr.write("pfctl: Syntax error in config file: pf rules not loaded\n")
            return 1
        if kernel is not None:
            load.check(loaded)
            parts = frozenset(options.parts) or load.EVERYTHING
            load.commit(kernel, loaded, self._environment, parts)
            self._changed = True
        return 0


def _listing(rulesets: dict[str, list[Rule]], verbose: int) -> list[str]:
    """List what -v shows of a file: its rules in the order in which they are loaded."""
    printed = Kernel()
    for path, rules in rulesets.items():
        for kind in KINDS:
            printed.set_rules(path, kind, [one for one in rules if one.kind == kind])
    shower = show.Listing(printed, verbose)
    return shower.rules("", ("scrub", "nat", "rdr", "binat", "filter", "dummynet"))
