"""`clawkeep diagram`: a picture of the keep, made of the declaration."""

from __future__ import annotations

import argparse
from pathlib import Path

from clawkeep import declared
from clawkeep.cli.verb import Verb, explain
from clawkeep.config import ConfigError
from clawkeep.render.diagram import diagram
from clawkeep.render.svg import svg

FORMATS = {"mermaid": diagram, "svg": svg}


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format", choices=sorted(FORMATS), help="default: svg for a FILE.svg, else mermaid"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="write FILE, not stdout")


def _run(options: argparse.Namespace) -> int:
    output: Path | None = options.output
    form = options.format or ("svg" if output and output.suffix == ".svg" else "mermaid")
    try:
        text = FORMATS[form](declared.keep())
        if output is not None:
            output.write_text(text, encoding="utf-8")
    except ConfigError as error:
        explain(str(error))
        return 1
    except OSError as error:
        explain(f"{output}: {error.strerror}; name a file in a folder that exists")
        return 1
    if output is None:
        print(text, end="")
    else:
        explain(f"wrote {output}")
    return 0


VERB = Verb(
    summary="draw the keep: guest, walls, doors and what is behind them",
    run=_run,
    arguments=_arguments,
    description="Draws the declared keep as a Mermaid flowchart or as SVG; no machine is asked.\n"
    "The same declaration gives the same picture.",
    epilog="exit status: 0 drawn, 1 the declaration is not valid, or FILE cannot be written\n\n"
    "example: clawkeep diagram --format svg --output docs/picture.svg",
)
