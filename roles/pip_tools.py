"""Tools from the package index, in one virtual environment.

Homebrew's Python refuses to install packages beside its own (PEP 668, reference/macos.md §7).
"""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Generator, Sequence
from urllib.parse import urlsplit

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import StringCommand
from pyinfra.api.exceptions import PyinfraError

from clawkeep.cache.wants import Plan
from clawkeep.domains import domain
from connectors.tart import TartConnector
from roles import cache
from roles.homebrew import PREFIX, provisioning_window
from roles.probe import Answer, Probe, ask, change, want
from roles.told import told

VENV = "/opt/homebrew/var/clawkeep/venv"


def _pip_tools(answer: Answer) -> set[str]:
    return {line.strip().lower() for line in answer.text.splitlines() if line.strip()}


#: Tools in the venv: the names of their metadata folders, which pip writes last.
PIP_TOOLS = Probe(
    "pip tools",
    f"ls -d {VENV}/lib/python*/site-packages/*.dist-info "
    r"| sed -e 's,.*/,,' -e 's,\.dist-info$,,' -e 's,_,-,g' -e 's,\(.*\)-,\1==,'",
    _pip_tools,
)


def installed(name: str, tools: Sequence[str], python: str, stock: Plan | None = None) -> None:
    """Have tools from the package index in the virtual environment.

    With a `stock` they come from the host's cache, and no index is asked.
    """
    want(PIP_TOOLS)
    _pip(name=name, tools=list(tools), python=python, stock=stock)


@operation()
def _pip(tools: list[str], python: str, stock: Plan | None) -> Generator[StringCommand, None, None]:
    have = ask(PIP_TOOLS)
    missing = [t for t in tools if t.lower() not in have and not _any_version(t, have)]
    if not missing:
        host.noop(f"{len(tools)} pip tools are installed")
        return
    pip = [f"{VENV}/bin/pip", "install", "--quiet", "--disable-pip-version-check"]
    if stock:
        for tool in missing:
            told(tool, "from the cache", "+")
        found = cache.items(cache.keys(stock, "pip", missing))
        offline = f'{shlex.join([*pip, "--no-index"])} --find-links "$d/wheels"'
        script = _venv(missing, python, f"{offline} {shlex.join(missing)}")
        head = f"d={PREFIX}/var/clawkeep/cached-wheels\n{cache.STAGE}"
        yield change(f"{head}{script}", stdin=cache.listed(found))
        return
    index = package_index(missing) if host.state.is_executing else None
    with provisioning_window(index.hosts if index else ()) as window:
        proxy = window.environment if window else ""
        # On stdin, not on argv: an index's address may hold credentials.
        read_index = "IFS= read -r PIP_INDEX_URL; export PIP_INDEX_URL" if index else ":"
        install = f"{proxy} {shlex.join([*pip, *missing])}".lstrip()
        script = _venv(missing, python, install)
        yield change(f"set -e; {read_index}; {script}", stdin=index.url if index else None)


def _venv(tools: Sequence[str], python: str, install: str) -> str:
    """Return the script around pip's: the environment before, the commands' links around it."""
    # Links first: the metadata that pip writes last is what says that all of it is done.
    names = [re.split("[=<>]", tool)[0] for tool in tools]
    return "\n".join(
        [
            f"mkdir -p {VENV.rsplit('/', 1)[0]}",
            f"[ -x {VENV}/bin/pip ] || {shlex.quote(python)} -m venv --clear {VENV}",
            *(f"ln -sf {VENV}/bin/{n} {PREFIX}/bin/{n}" for n in names),
            install,
            *(f"[ -x {VENV}/bin/{n} ] || rm -f {PREFIX}/bin/{n}" for n in names),
        ]
    )


def _any_version(tool: str, have: set[str]) -> bool:
    return "==" not in tool and any(h.split("==")[0] == tool.lower() for h in have)


class Index:
    """The package index that the host's pip is set to, and every host that serves its files."""

    def __init__(self, url: str, hosts: Sequence[str]) -> None:
        self.url = url
        self.hosts = tuple(hosts)


# Asked on the host, never in the guest: a guest that could name the index could name any host.
# `pip config get` looks into the user's file only; `list` merges all of them, the strongest last.
INDEX = r"""set -e
py=/opt/clawkeep/python/bin/python3
url=$($py -m pip config list 2>/dev/null |
  sed -n "s/^[a-z:]*\.index-url='\(.*\)'$/\1/p" | tail -n 1)
[ -n "$url" ] || url=$($py -c 'from pip._internal.models.index import PyPI; print(PyPI.simple_url)')
echo "$url"
case $url in *@*) exit 0 ;; esac
for t in {tools}; do
  printf 'url = "%s/%s/"\n' "${{url%/}}" "$t" | curl -fsSL -m 20 -K -; echo
done |
  grep -Eo 'href="https://[^/"]+' | sed 's,.*//,,' | sort -u
"""


def package_index(tools: Sequence[str]) -> Index:
    """Ask the host's pip which index it uses, and the index which hosts serve the files."""
    connector = host.connector
    if not isinstance(connector, TartConnector):
        raise TypeError("pip tools are installed in guests")
    names = " ".join(shlex.quote(re.split("[=<>]", tool)[0]) for tool in tools)
    text = connector.on_host.ask(INDEX.format(tools=names))
    url, *hosts = text.split()
    if "@" in url:
        raise PyinfraError(
            "the host's pip index has credentials in its address, and every package of it would be "
            "the guest's to read; set pip on the host to an index without them (pip config edit)"
        )
    name = urlsplit(url).hostname
    if name is None or not url.startswith("https://"):
        raise PyinfraError(f"the host's pip is set to {url!r}: expected an https:// index")
    return Index(url, list(dict.fromkeys((name, *_on_443(hosts)))))


def _on_443(hosts: Sequence[str]) -> list[str]:
    """Return the hosts that the window can lead to: names, on the port of HTTPS."""
    found = []
    for text in hosts:
        with contextlib.suppress(ValueError):
            found.append(domain(text.removesuffix(":443")))
    return found
