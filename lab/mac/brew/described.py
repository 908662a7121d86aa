"""What `brew info` says of formulae.

Source: Homebrew/brew Library/Homebrew/cmd/info.rb, formula.rb#to_hash (6.0.18).
"""

import json
from typing import Any

from . import bottle, keg, taps, trust
from .arguments import Arguments
from .download import fetch_api
from .formulary import CORE, Formula, Formulary, split
from .layout import HOMEBREW, Prefix
from .output import say
from .pouring import outdated


def info(prefix: Prefix, formulary: Formulary, args: Arguments) -> int:
    """`brew info [--json=v2] [--installed] name …`."""
    fetch_api(prefix)
    if args.has("--json"):
        names = args.names or (keg.installed(prefix) if args.has("--installed") else [])
        formulae = [find(prefix, formulary, name) for name in names]
        found = {"formulae": [describe(prefix, formula) for formula in formulae], "casks": []}
        say(json.dumps(found["formulae"] if args.flags["--json"] == "v1" else found, indent=2))
        return 0
    for formula in (find(prefix, formulary, name) for name in args.names):
        kegs = keg.versions(prefix, formula.name)
        say(f"==> {formula.full_name}: stable {formula.version}", formula.desc, formula.homepage)
        if formula.deprecated:
            say(f"Deprecated {formula.deprecated}")
        state = (
            f"Installed\n{HOMEBREW}/Cellar/{formula.name}/{kegs[-1]}" if kegs else "Not installed"
        )
        say(state)
    return 0


def describe(prefix: Prefix, formula: Formula) -> dict[str, Any]:
    """One formula as `brew info --json=v2` shows it: the fields provisioning tools read."""
    linked = keg.linked_version(prefix, formula.name)
    on_request = bool(keg.receipt(prefix, formula.name).get("installed_on_request"))
    return {
        "name": formula.name,
        "full_name": formula.full_name,
        "tap": formula.tap,
        "aliases": list(formula.aliases),
        "desc": formula.desc,
        "license": formula.license or None,
        "homepage": formula.homepage,
        "versions": {"stable": formula.version, "head": None, "bottle": formula.tap == CORE},
        "urls": {"stable": _url(formula)},
        "bottle": {"stable": _bottle(formula)} if formula.tap == CORE else {},
        "keg_only": bool(formula.keg_only),
        "keg_only_reason": {"reason": ":versioned_formula", "explanation": ""}
        if formula.keg_only
        else None,
        "dependencies": list(formula.dependencies),
        "recommended_dependencies": [],
        "variations": {},
        "caveats": formula.caveats or None,
        "installed": [
            {
                "version": version,
                "installed_on_request": on_request,
                "installed_as_dependency": not on_request,
                "poured_from_bottle": True,
            }
            for version in keg.versions(prefix, formula.name)
        ],
        "linked_keg": linked or None,
        "pinned": (prefix.state("pinned") / formula.name).is_symlink(),
        "outdated": outdated(prefix, formula),
        "deprecated": bool(formula.deprecated),
        "disabled": False,
    }


def _url(formula: Formula) -> dict[str, Any]:
    if formula.tap == CORE:
        # The source, which nobody in the lab builds.
        return {"url": formula.homepage, "tag": None, "revision": None, "checksum": None}
    (url,) = formula.downloads()
    return {"url": url, "tag": None, "revision": None, "checksum": formula.checksum}


def _bottle(formula: Formula) -> dict[str, Any]:
    file = {
        "cellar": ":any_skip_relocation",
        "url": formula.downloads()[1],
        "sha256": formula.checksum,
    }
    root = "https://ghcr.io/v2/homebrew/core"
    return {"rebuild": 0, "root_url": root, "files": {bottle.TAG: file}}


def find(prefix: Prefix, formulary: Formulary, name: str) -> Formula:
    """Return the formula of that name, of the tap that it was installed from if it was.

    Raises:
        BrewError: there is none, or its tap is not trusted.
    """
    tap = keg.tap_of(prefix, split(name)[1])
    full = name if "/" in name or tap in {"", CORE} else f"{tap}/{name}"
    formula = formulary.find(full, taps.tapped(prefix))
    trust.require(formula, [name])
    return formula
