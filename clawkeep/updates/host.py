"""What the host is asked: the versions that there are, by tools that may use the internet.

A guest behind its walls reaches neither Apple nor a registry, and needs none of it to be told what
it lacks. softwareupdate of a guest would not even use the window's proxy: it knows no environment.
Whatever the host's own tools are set to (npm's registry, pip's index) holds.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from typing import ParamSpec

from clawkeep import survey, tart
from clawkeep.model import Keep
from clawkeep.skills.packages import npm_packages
from clawkeep.skills.packages import pip_tools as skills_tools
from clawkeep.skills.wanted import wanted
from clawkeep.updates import parse
from clawkeep.updates.parse import UnreadableError
from clawkeep.updates.update import Update, update

LIMIT_S = 90
"""What has not answered by then is ended, and counts as not learned."""

ALL = "group_data/all.py"

P = ParamSpec("P")

# Every question at once, each into a file; a watcher ends those that hang. Not by SIGTERM, which
# they ignore where whoever started all this does. They only ask: nothing is lost with them.
ASK = """
d=$(mktemp -d) || exit 1; trap 'rm -rf "$d"' EXIT; cd "$d" || exit 1; p=
{questions}
( sleep {limit}; kill -9 $p ) >/dev/null 2>&1 & w=$!
wait $p 2>/dev/null; kill $w 2>/dev/null
{answers}
true
"""
NPM = """for n in /opt/homebrew/bin/npm /opt/homebrew/opt/node*/bin/npm; do
[ -x "$n" ] || continue
PATH=$(dirname "$n"):$PATH; export PATH npm_config_update_notifier=false
"$n" view {name} version --loglevel=error; exit; done
echo 'there is no npm on the host'"""
PIP = "/opt/clawkeep/python/bin/python3 -m pip --disable-pip-version-check index versions {name}"
GIT = "GIT_TERMINAL_PROMPT=0 /usr/bin/git ls-remote --tags -- {source}"

# Public images need a token, too, which anybody gets. A manifest's digest is its SHA-256, as tart
# reckons it. Source: reference/tart.md §1.3.
DIGEST = """t=$(curl -fsS -m 20 https://{host}/token?scope=repository:{path}:pull 2>/dev/null |
sed -n 's/.*"token" *: *"\\([^"]*\\)".*/\\1/p')
curl -fsSL -m 40 -H 'Accept: application/vnd.oci.image.manifest.v1+json' \
${{t:+-H "Authorization: Bearer $t"}} -o manifest https://{host}/v2/{path}/manifests/{tag} &&
shasum -a 256 <manifest"""


def questions(keep: Keep) -> dict[str, str]:
    """Return the shell commands to run on the host, by what they find out."""
    registry, path, tag = _image(keep.guest.image)
    found = {
        "macos": "/usr/sbin/softwareupdate --list-full-installers",
        "cached": f"{tart.TART} fqn {shlex.quote(keep.guest.image)}",
        "image": DIGEST.format(host=registry, path=path, tag=tag),
    }
    for package in npm_packages(wanted(keep)):
        name = package.rpartition("@")[0]
        found[f"npm {package}"] = NPM.format(name=shlex.quote(name))
    for tool in _tools(keep):
        found[f"pip {tool}"] = PIP.format(name=shlex.quote(_bare(tool)))
    if keep.agent and keep.agent.source.startswith("https://"):
        found["nanoclaw"] = GIT.format(source=shlex.quote(keep.agent.source))
    return found


def script(asked: Mapping[str, str]) -> str:
    """Return the script that runs all of them at once."""
    starts = [
        f'( {command}\n) >{number} 2>&1 </dev/null & p="$p $!"'
        for number, command in enumerate(asked.values())
    ]
    answers = [survey.part(name, f"cat {number}") for number, name in enumerate(asked)]
    return ASK.format(questions="\n".join(starts), answers="".join(answers), limit=LIMIT_S)


def read(
    keep: Keep, answers: Mapping[str, str], inside: Mapping[str, str]
) -> Iterator[Update | str]:
    """Yield the updates that the answers make, and in words what could not be learned.

    `inside` is what the guest said of itself: `macos`, `release`, and `pip NAME` its version.
    """
    yield from _learned("macos", _macos, answers.get("macos", ""), inside.get("macos", ""))
    yield from _learned("image", _images, keep, answers)
    for name, text in answers.items():
        kind, _, what = name.partition(" ")
        if kind == "npm":
            yield from _learned(f"npm:{what}", _npm, text, what)
        elif kind == "pip":
            yield from _learned(f"pip:{what}", _pip, text, what, inside)
        elif kind == "nanoclaw":
            yield from _learned("nanoclaw", _nanoclaw, keep, text)


def _learned(
    what: str, look: Callable[P, Iterator[Update | None]], *words: P.args, **named: P.kwargs
) -> Iterator[Update | str]:
    try:
        yield from (found for found in list(look(*words, **named)) if found is not None)
    except UnreadableError as error:
        yield f"{what}: it could not be learned: {error}"


def _macos(text: str, installed: str) -> Iterator[Update | None]:
    offered = parse.full_installers(text)
    if not parse.VERSION.fullmatch(installed):
        raise UnreadableError("the guest does not say which macOS it is")
    how = (
        "by hand: a newer image, or in the guest between `clawkeep update begin` and `finish` "
        "(docs/how-to/update.md)"
    )
    yield from parse.macos(installed, offered, how)


def _images(keep: Keep, answers: Mapping[str, str]) -> Iterator[Update | None]:
    cached, there = (parse.digest(answers.get(name, "")) for name in ("cached", "image"))
    if cached == there:
        return
    image, at, _pinned = keep.guest.image.partition("@")
    pin = f'{ALL}: guest["image"]' if at else ""
    how = f"on the host: tart pull {image}; only a new guest is cloned from it"
    if pin:
        how = f"write @sha256:{there} in {pin}; only a new guest is cloned from it"
    name = image.rpartition("/")[2]
    yield Update("image", name, cached[:12], there[:12], "unknown", pin, how)


def _npm(text: str, package: str) -> Iterator[Update | None]:
    name, _, version = package.rpartition("@")
    latest = parse.npm_view(text)
    pin = f"{ALL}: skills"
    how = f"write {latest} for {version} in {pin}, then clawkeep apply skills"
    yield update("npm", name, version, latest, pin=pin, how=how)


def _pip(text: str, tool: str, inside: Mapping[str, str]) -> Iterator[Update | None]:
    name, _, version = tool.partition("==")
    latest = parse.pip_index(text)
    pin = f'{ALL}: guest["pip_tools"], skills' if version else ""
    where = pin or f'{ALL}: guest["pip_tools"]'
    how = f'write "{name}=={latest}" in {where}, then clawkeep apply base skills'
    installed = version or inside.get(f"pip {name}", "")
    if not installed:
        raise UnreadableError(f"{name} is not installed in the guest")
    yield update("pip", name, installed, latest, pin=pin, how=how)


def _nanoclaw(keep: Keep, text: str) -> Iterator[Update | None]:
    agent = keep.agent
    if agent is None:
        return
    known = agent.release_profile
    found = parse.tags(text)
    own = agent.commit is not None and agent.commit != known.commit
    version = next((t for t, commit in found.items() if commit == agent.pin), "")
    version = version or (agent.pin[:12] if own else known.version)
    for tag in parse.newer_tags(version, found):
        pin = f'{ALL}: agent["commit"]'
        how = (
            f'write "commit": "{found[tag]}" in {ALL}: agent, and the profile that knows it, then '
            "clawkeep apply agent; a release that fails never becomes the active one"
        )
        yield update("nanoclaw", "NanoClaw", version, tag, pin=pin, how=how)


def _tools(keep: Keep) -> list[str]:
    return list(dict.fromkeys((*keep.guest.pip_tools, *skills_tools(wanted(keep)))))


def _bare(tool: str) -> str:
    return re.split("[=<>]", tool)[0]


def _image(text: str) -> tuple[str, str, str]:
    """Return registry, repository and the tag that moves."""
    path, _, _ = text.partition("@")
    registry, _, rest = path.partition("/")
    repository, _, tag = rest.partition(":")
    return registry, repository, tag or "latest"
