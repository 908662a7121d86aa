"""`clawkeep cache` on the host: what a guest is built from without the internet.

`fill` runs as the operator's user and fetches; `admit` and `prune` are root's and only copy, hash
and remove; `list` and `verify` are anybody's, since all of it is readable.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from clawkeep.cache.index import BadIndexError, Index, Want, item
from clawkeep.onhost import store
from clawkeep.onhost.cache_store import CacheError, Store, titles
from clawkeep.onhost.cache_tools import FillError, Plan
from clawkeep.onhost.plain import plain

EPILOG = """exit status: 0 done and all well, 1 not (and why), 2 cannot tell

example: clawkeep cache verify < plan.json
  the plan is what `clawkeep cache` of the operator's side sends"""
ROOTS = frozenset({"admit", "prune"})


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = argparse.ArgumentParser(
        prog="clawkeep cache",
        description=__doc__.splitlines()[0] if __doc__ else "",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("verb", choices=["admit", "fill", "list", "prune", "verify"])
    made.add_argument("--refresh", action="store_true", help="resolve anew what is not pinned")
    return made


def main(arguments: Sequence[str]) -> int:
    """Run one verb; the plan, or what is handed over, is on stdin."""
    options = parser().parse_args(arguments)
    if options.verb in ROOTS and os.geteuid() != 0:
        sys.stderr.write(f"clawkeep cache {options.verb} is root's; sudo\n")
        return 1
    try:
        return _run(options.verb, json.load(sys.stdin), refresh=options.refresh)
    except (BadIndexError, CacheError, FillError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.stderr.write(f"clawkeep cache {options.verb}: {error!r}\n")
        return 2


def _run(verb: str, data: dict[str, Any], *, refresh: bool) -> int:
    if verb == "admit":
        return _admit(data)
    plan = Plan.of(data)
    if verb == "fill":
        return _fill(plan, refresh=refresh)
    if verb == "prune":
        return _prune(plan)
    print(json.dumps(report(plan, Store(), read_all=verb == "verify")))
    return 0


def report(plan: Plan, cache: Store, *, read_all: bool) -> dict[str, object]:
    """Return what there is, what is lacking, and what is damaged: all files read, or sizes only."""
    index = cache.index()
    wanted = {want.key for want in plan.wants}
    absent = {(i.sha256, i.place) for i in cache.absent(index)}
    wrong = {
        (i.sha256, i.place): words for i, words in (cache.damaged(index) if read_all else ())
    } or dict.fromkeys(absent, "is not there, or has another size")
    return {
        "size": index.size,
        "items": [
            {
                **asdict(one),
                "wanted": bool(wanted.intersection(one.wants)),
                "damage": wrong.get((one.sha256, one.place), ""),
            }
            for one in index.items
        ],
        "lacking": [_lacking(want) for want in index.lacking(plan.wants)],
    }


def _lacking(want: Want) -> dict[str, str]:
    return {"kind": want.kind, "name": want.name, "key": want.key, "used_by": want.used_by}


def _fill(plan: Plan, *, refresh: bool) -> int:
    from clawkeep.onhost.cache_fill import fill  # noqa: PLC0415 - the others need no fetchers

    def say(text: str) -> None:
        print(plain(text), flush=True)

    problems = fill(plan, say, refresh=refresh)
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    return 1 if problems else 0


def _admit(data: dict[str, Any]) -> int:
    """Take files in; see `Store.admit`."""
    cache, keys, items = Store(), data["keys"], data["items"]
    found = [item(one) for one in items]
    own = set(map(str, keys))
    if strangers := [one for one in found if not own.issuperset(one.wants)]:
        raise CacheError(f"{titles(strangers)}: not for what is being filled")
    new = cache.admit(Path(str(data["folder"])), sorted(own), found)
    size = Index(tuple(found)).size
    print(f"{len(found)} files, {size / 1e6:.1f} MB, {len(new)} taken in")
    words = f"{len(new)} files were taken into the cache for {', '.join(sorted(own))}"
    store.event("cached", words[:500])
    return 0


def _prune(plan: Plan) -> int:
    gone, freed = Store().prune([want.key for want in plan.wants])
    print(json.dumps({"freed": freed, "gone": [one.title for one in gone]}))
    return 0
