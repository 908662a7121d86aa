"""Downloads: the network work that stands behind a pour or a tap.

The content is thrown away (the lab's programs are already there), the traffic is not: names are
resolved, proxies and certificates used, and what the network refuses fails as it fails on a Mac.
Source: Homebrew/brew Library/Homebrew/utils/curl.rb, download_queue.rb, exceptions.rb.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from .formulary import Formula
from .layout import Prefix
from .output import BrewError, heading, sentence, tell


@dataclass(frozen=True)
class Failure:
    """One URL that did not arrive."""

    url: str
    message: str


def fetch(prefix: Prefix, urls: list[str], *, connect_timeout_s: int = 15) -> list[Failure]:
    """Fetch all URLs with the machine's own curl and return those that failed.

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
        command += ["--output", "/dev/null", url]
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
    """Fetch what the formulae need.

    Raises:
        BrewError: something did not arrive; nothing may be installed then.
    """
    tell(heading(f"Fetching downloads for: {sentence(formula.name for formula in formulae)}"))
    owner = {url: formula for formula in formulae for url in formula.downloads()}
    failures = fetch(prefix, list(owner))
    lost = {failure.url for failure in failures}
    for url, formula in owner.items():
        tell(f"{'✘' if url in lost else '✔︎'} {resource(formula, url)}")
    if failures:
        raise BrewError("\n".join(_explain(owner[failure.url], failure) for failure in failures))


def resource(formula: Formula, url: str) -> str:
    """Name a download as Homebrew does, for example `Bottle Manifest jq (1.8.1)`."""
    kind = (
        "Bottle Manifest" if "/manifests/" in url else "Bottle" if "/blobs/" in url else "Formula"
    )
    return f"{kind} {formula.name} ({formula.version})"


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
