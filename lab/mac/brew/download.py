"""Downloads: the network work that stands behind a pour or a tap.

Names are resolved, proxies and certificates used, and what the network refuses fails as it fails
on a Mac. What comes is checked and stays in Homebrew's cache; what is there is not asked for.
Source: Homebrew/brew Library/Homebrew/utils/curl.rb, download_queue.rb, exceptions.rb.
"""

import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path

from . import bottle, cache
from .formulary import Formula
from .layout import Prefix
from .output import BrewError, heading, sentence, tell, warn


@dataclass(frozen=True)
class Failure:
    """One URL that did not arrive."""

    url: str
    message: str


def fetch(
    prefix: Prefix,
    urls: list[str],
    *,
    connect_timeout_s: int = 15,
    into: dict[str, Path] | None = None,
) -> list[Failure]:
    """Fetch all URLs with the machine's own curl and return those that failed.

    `into` says where the content of a URL goes; without, it is thrown away.

    curl reads the proxy from the environment (`https_proxy`, `HTTPS_PROXY`, `ALL_PROXY`, …), which
    is the set of variables that Homebrew lets through (bin/brew, environment filter).
    """
    if not urls:
        return []
    curl = prefix.root / "usr/bin/curl"
    trust_store = prefix.root / "etc/ssl/cert.pem"
    command = [str(curl), "--disable", "--silent", "--fail", "--location"]
    command += ["--connect-timeout", str(connect_timeout_s), "--user-agent", "Homebrew/6.0.18"]
    command += ["--write-out", "%{exitcode}\t%{url}\t%{errormsg}\n"]
    if trust_store.exists():
        command += ["--cacert", str(trust_store)]
    for url in urls:
        command += ["--output", str((into or {}).get(url, "/dev/null")), url]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as problem:
        return [Failure(urls[0], f"{curl}: {problem.strerror}")]
    return _failures(result.stdout, urls, result)


def _failures(
    report: str, urls: list[str], result: subprocess.CompletedProcess[str]
) -> list[Failure]:
    arrived, failures = set(), []
    for line in report.splitlines():
        code, url, message = line.split("\t", 2)
        if code == "0":
            arrived.add(url)
        else:
            failures.append(Failure(url, f"curl: ({code}) {message}"))
    silent = [url for url in urls if url not in arrived | {failure.url for failure in failures}]
    detail = result.stderr.strip() or f"curl: exit status {result.returncode}"
    return failures + [Failure(url, detail) for url in silent]


def fetch_formulae(prefix: Prefix, formulae: list[Formula]) -> None:
    """Have what the formulae need in the cache.

    Raises:
        BrewError: something did not arrive, or not as it must be; nothing may be installed then.
    """
    fetch_api(prefix)
    for formula in formulae:
        cache.require_known(formula)
    tell(heading(f"Fetching downloads for: {sentence(formula.name for formula in formulae)}"))
    everything = [download for formula in formulae for download in cache.downloads(formula)]
    due = {download.url: download for download in everything if not download.valid}
    failures = _into_cache(prefix, due)
    lost = {failure.url for failure in failures}
    for download in everything:
        mark = "✘" if download.url in lost else "✔︎"
        tell(f"{mark} {download.kind} {download.formula.name} ({download.formula.version})")
    if failures:
        words = [_explain(due[failure.url].formula, failure) for failure in failures]
        raise BrewError("\n".join(words))


def fetch_api(prefix: Prefix) -> None:
    """Have the API's file in a cache that lacks it.

    Raises:
        BrewError: it did not arrive.
    """
    if not cache.api_needed():
        return
    target = cache.api_path()
    target.parent.mkdir(parents=True, exist_ok=True)
    if failures := fetch(prefix, [cache.API], into={cache.API: target}):
        target.unlink(missing_ok=True)
        raise BrewError(
            f"Cannot download non-corrupt {cache.API}!\nDownload failed: {cache.API}\n"
            f"{failures[0].message}"
        )


def extracted(prefix: Prefix, formula: Formula) -> None:
    """See that the cached bottle can be extracted; a corrupt one is fetched anew, once.

    Raises:
        BrewError: it cannot.
    """
    for download in cache.downloads(formula):
        if download.kind != "Bottle" or bottle.whole(download.path.read_bytes()):
            continue
        if not download.arrived(download.path.read_bytes()):
            warn(f"Removing corrupt cached download: {download.path.name}")
            download.path.unlink()
            if failures := _into_cache(prefix, {download.url: download}):
                raise BrewError(_explain(formula, failures[0]))


def _into_cache(prefix: Prefix, due: dict[str, "cache.Download"]) -> list[Failure]:
    """Fetch downloads under other names, check them, and give them their own."""
    halves = {u: d.path.with_name(f"{d.path.name}.incomplete") for u, d in due.items()}
    for half in halves.values():
        half.parent.mkdir(parents=True, exist_ok=True)
    failures = fetch(prefix, list(due), into=halves)
    lost = {failure.url for failure in failures}
    for url, half in halves.items():
        if url in lost:
            half.unlink(missing_ok=True)
            continue
        data = half.read_bytes()
        if due[url].arrived(data):
            half.replace(due[url].path)
            continue
        half.unlink()
        actual = hashlib.sha256(data).hexdigest()
        words = f"SHA-256 mismatch\nExpected: {due[url].sha256}\n  Actual: {actual}"
        failures.append(Failure(url, words))
    return failures


def _explain(formula: Formula, failure: Failure) -> str:
    return (
        f'{formula.name}: Failed to download resource "{formula.name} ({formula.version})"\n'
        f"Download failed: {failure.url}\n{failure.message}"
    )


def clone(prefix: Prefix, tap: str, target: Path) -> None:
    """Do what `git clone https://github.com/<org>/homebrew-<tap>` does on the network.

    Raises:
        BrewError: git's and Homebrew's own words for a clone that failed.
    """
    organisation, _, repository = tap.partition("/")
    remote = f"https://github.com/{organisation}/homebrew-{repository}"
    failures = fetch(prefix, [f"{remote}/info/refs?service=git-upload-pack"])
    if not failures:
        return
    reason = failures[0].message.partition(") ")[2] or failures[0].message
    tell(f"fatal: unable to access '{remote}/': {reason}")
    raise BrewError(
        f"Failure while executing; `git clone --origin=origin --template= --config "
        f"core.fsmonitor=false --end-of-options {remote} {prefix.shown(target)}` exited with 128."
    )
