"""`clawkeep cache`: what the host keeps, so that a guest needs no internet to be built."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

from clawkeep import declared
from clawkeep.cache import host
from clawkeep.cache.index import KINDS, PLURALS
from clawkeep.cache.wants import Plan, plan
from clawkeep.cli.verb import Verb, explain, say
from clawkeep.config import ConfigError
from clawkeep.onhost.plain import plain
from clawkeep.target import NoTargetError, target
from clawkeep.transport import HostSession, TransportError
from clawkeep.verdict import Verdict


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("do", choices=["fill", "list", "prune", "verify"], help="what to do")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument(
        "--refresh", action="store_true", help="fill: resolve anew what is not pinned"
    )


def _run(options: argparse.Namespace) -> int:
    if options.refresh and options.do != "fill":
        explain(f"clawkeep cache {options.do}: --refresh belongs to fill")
        return Verdict.UNKNOWN
    try:
        wanted = plan(declared.keep())
        session = HostSession(target())
    except (ConfigError, NoTargetError, TransportError, ValueError) as error:
        explain(str(error))
        return Verdict.UNKNOWN
    try:
        return _do(options, session, wanted)
    except TransportError as error:
        explain(str(error))
        return Verdict.UNKNOWN
    finally:
        session.close()


def _do(options: argparse.Namespace, session: HostSession, wanted: Plan) -> int:
    if options.do == "prune":
        return _prune(session, wanted, as_json=options.json)
    filled: Verdict = Verdict.WELL
    if options.do == "fill":
        words = ["fill", *(["--refresh"] if options.refresh else [])]
        outcome = host.run(session, wanted, *words, say=lambda line: explain(plain(line, 300)))
        if outcome.status:
            explain(plain_lines(outcome.stderr))
            filled = Verdict.BAD if outcome.status == 1 else Verdict.UNKNOWN
    read = "verify" if options.do == "verify" else "list"
    report = host.report(host.run(session, wanted, read))
    verdict = max(filled, verdict_of(report))
    if options.json:
        say(json.dumps(report, indent=2))
    else:
        for line in lines(report):
            say(line)
    explain(f"{len(report['items'])} files, {_mb(report['size'])}; {_words(report, read)}")
    return verdict


def _prune(session: HostSession, wanted: Plan, *, as_json: bool) -> int:
    outcome = host.run(session, wanted, "prune", root=True)
    if outcome.status:
        explain(plain_lines(outcome.stderr))
        return Verdict.BAD if outcome.status == 1 else Verdict.UNKNOWN
    data = json.loads(outcome.stdout)
    if as_json:
        say(json.dumps(data, indent=2))
    else:
        for title in data["gone"]:
            say(f"removed  {plain(str(title), 200)}")
        explain(f"{len(data['gone'])} files are wanted no more, {_mb(int(data['freed']))} freed")
    return Verdict.WELL


def verdict_of(report: dict[str, Any]) -> Verdict:
    """Tell whether the cache has all that is declared, whole."""
    damaged = any(item["damage"] and item["wanted"] for item in report["items"])
    return Verdict.BAD if damaged or report["lacking"] else Verdict.WELL


def lines(report: dict[str, Any]) -> list[str]:
    """Return the table: one line per file, then what is lacking."""
    rows = sorted(report["items"], key=lambda item: (KINDS.index(item["kind"]), item["name"]))
    found = [
        f"{item['kind']:8} {_cut(item['name'] + ' ' + item['version'], 48):48} "
        f"{_mb(item['size']):>10}  {item['sha256'][:12]}  {_state(item)}"
        for item in rows
    ]
    return found + [
        f"{want['kind']:8} {_cut(want['name'], 48):48} {'-':>10}  {'-':12}  lacking, used by "
        f"{plain(want['used_by'], 80)}"
        for want in report["lacking"]
    ]


def _state(item: dict[str, Any]) -> str:
    if item["damage"]:
        return plain(f"damaged: {item['damage']}", 160)
    if not item["wanted"]:
        return "wanted no more"
    return "hash recorded at the fill" if item["said_by"] == "recorded" else f"by {item['said_by']}"


def _words(report: dict[str, Any], read: str) -> str:
    lacking: Sequence[dict[str, str]] = report["lacking"]
    numbers = {kind: sum(want["kind"] == kind for want in lacking) for kind in KINDS}
    parts = [
        f"{number} {PLURALS[kind]} lacking: clawkeep cache fill"
        for kind, number in numbers.items()
        if number
    ]
    damaged = [item for item in report["items"] if item["damage"]]
    if damaged:
        parts.append(f"{len(damaged)} damaged: clawkeep cache fill")
    whole = "every file is whole" if read == "verify" else "everything declared is there"
    return "; ".join(parts) or whole


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _cut(text: str, width: int) -> str:
    text = plain(text.strip(), 300)
    return text if len(text) <= width else f"{text[: width - 1]}…"


def plain_lines(text: str) -> str:
    """Return several lines of the host's without what a terminal would obey."""
    return "\n".join(plain(line, 300) for line in text.splitlines())


VERB = Verb(
    summary="keep on the host what a guest is built from without the internet",
    run=_run,
    arguments=_arguments,
    description="fill    fetches what the declaration needs and the cache lacks\n"
    "list    shows every file: size, hash, who said which hash it must have\n"
    "verify  reads every file and compares its hash\n"
    "prune   removes what is declared no more",
    epilog="exit status: 0 all declared is there and whole, 1 something is not, 2 cannot tell\n\n"
    "example: clawkeep cache fill\n"
    "         clawkeep cache list --json | jq '.lacking'",
)
