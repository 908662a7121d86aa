"""`clawkeep metrics`: all figures as Prometheus reads them."""

from __future__ import annotations

import argparse
from pathlib import Path

from clawkeep import declared
from clawkeep.cli.here import keep_and_host
from clawkeep.cli.verb import Verb, explain
from clawkeep.metrics.figures import figures
from clawkeep.onhost import store
from clawkeep.overview.gatherer import gather
from clawkeep.overview.sources import Overview


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output", type=Path, metavar="FILE.prom",
        help="replace FILE at once, for node_exporter's textfile collector; not stdout",
    )  # fmt: skip


def _run(options: argparse.Namespace) -> int:
    output: Path | None = options.output
    if output is not None and (output.suffix != ".prom" or not output.parent.is_dir()):
        explain(f"{output}: expected FILE.prom in a folder that exists: others are not collected")
        return 2
    found = keep_and_host()
    if found is None:
        return 2
    keep, host = found
    overview = gather(keep, host, declared.allowlist().parent, aside=False)(Overview())
    text = figures(keep, overview)
    if output is None:
        print(text, end="")
    else:
        try:
            store.write(output, text, 0o644)
        except OSError as error:
            explain(f"{output}: {error.strerror}")
            return 2
    if overview.error:
        explain(f"the host does not answer: {overview.error}")
        return 1
    return 0


VERB = Verb(
    summary="print all figures as Prometheus reads them",
    run=_run,
    arguments=_arguments,
    description="Asks the keep once and prints its figures in Prometheus's text format. A host\n"
    "that does not answer is `clawkeep_up 0`, and is written, too.",
    epilog="exit status: 0 written, 1 written, but the host does not answer, 2 nothing written\n\n"
    "example: clawkeep metrics --output /var/lib/node_exporter/clawkeep.prom",
)
