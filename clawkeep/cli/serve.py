"""`clawkeep serve`: the status page, for a browser on this machine."""

from __future__ import annotations

import argparse
import os
import sys
import threading
import webbrowser
from pathlib import Path

from clawkeep import declared, state
from clawkeep.cli.verb import Verb, explain, say
from clawkeep.config import ConfigError
from clawkeep.overview.gatherer import Gatherer, gather
from clawkeep.page.access import Access
from clawkeep.page.html import h
from clawkeep.page.server import Server, Site, listen
from clawkeep.secrets.files import replace
from clawkeep.target import NoTargetError, target

PORT = 8737
EVERY_S = 30
LEAST_S = 5


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--port", type=int, default=PORT, help="port on loopback, 0 for any (%(default)s)"
    )
    parser.add_argument("--open", action="store_true", help="open the page in your browser")
    parser.add_argument(
        "--interval", type=int, default=EVERY_S, metavar="SECONDS",
        help="between two looks at the keep, while somebody reads (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--new-token", action="store_true", help="make every address so far worth nothing"
    )


def _run(options: argparse.Namespace) -> int:
    if options.interval < LEAST_S or not 0 <= options.port < 65536:
        explain(f"clawkeep serve: --interval is at least {LEAST_S}, --port is 0 to 65535")
        return 2
    try:
        keep = declared.keep()
        host = target()
        if host.state:
            os.environ.setdefault("CLAWKEEP_STATE", host.state)
        folder = state.folder(host.name, keep.guest.name)
        if options.new_token:
            Access.forget(folder)
        access = Access(folder)
        gatherer = Gatherer(gather(keep, host, declared.allowlist().parent), options.interval)
        servers = listen(Site(keep, gatherer, access), options.port)
    except (ConfigError, NoTargetError) as error:
        explain(str(error))
        return 2
    except OSError as error:
        explain(
            f"clawkeep serve: {error.strerror or error}; another port is taken with --port N, and "
            f"`lsof -nP -iTCP:{options.port}` says who has this one"
        )
        return 2
    address = f"http://127.0.0.1:{servers[0].server_port}{access.path}?token={access.token}"
    _serve(servers, gatherer, address, folder if options.open else None)
    return 0


def _serve(servers: list[Server], gatherer: Gatherer, address: str, opens: Path | None) -> None:
    """Serve until Ctrl-C, which is raised."""
    gatherer.start()
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    say(address)
    sys.stdout.flush()
    explain("read-only, for whoever has this address; Ctrl-C ends it")
    if opens is not None:
        _open(address, opens / "page.html")
    try:
        threading.Event().wait()
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
        if not gatherer.stop():
            # An ask is under way, and a host that is away takes its time: nobody waits for it.
            sys.stderr.write("interrupted\n")
            sys.stderr.flush()
            os._exit(130)


def _open(address: str, path: Path) -> None:
    """Open the page by a file of ours: an address in an argv could be read by everybody here."""
    meta = h("meta", http_equiv="refresh", content=f"0; url={address}")
    replace(path, f"<!DOCTYPE html>\n{h('title', 'Clawkeep')}{meta}\n".encode())
    if not webbrowser.open(path.as_uri()):
        explain("no browser could be opened; open the address yourself")


VERB = Verb(
    summary="serve the status page to a browser on this machine",
    run=_run,
    arguments=_arguments,
    description="Serves a read-only page on loopback: the keep as it is, doors, health, alerts,\n"
    "snapshots, backups, audit and events, each with the command that says the same. The address\n"
    "holds a secret: other users of this machine cannot read the page. The keep is looked at only\n"
    "while somebody reads. /metrics is for Prometheus (docs/how-to/status-page.md).",
    epilog="exit status: 130 Ctrl-C, 2 it cannot be served\n\n"
    "example: clawkeep serve --open\n"
    "         ssh -L 8737:127.0.0.1:8737 user@mac   (then open the address here)",
)
