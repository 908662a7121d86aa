"""Which NanoClaw a source tree is, told by what distinguishes the versions.

Also runs in the guest, before anything of the tree does: standard library only, Python 3.9.
Source: reference/nanoclaw.md §1.1, §1.2, §1.5.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

V2 = (
    "it needs pnpm and bun, its agent has neither stdin nor stdout, and its credentials come from "
    "OneCLI alone, whose gateway runs in containers that a macOS guest cannot have; take profile "
    "'v1.2' and its commit"
)
"""Why no NanoClaw from 2.0 on is built; what is said of such a profile, too."""

V2_FILES = ("pnpm-lock.yaml", "container/agent-runner/bun.lock", "src/host-sweep.ts")


class UnsupportedError(ValueError):
    """A source tree that no profile knows; the text says why, and what to take instead."""


def profile_of(package: Mapping[str, Any], files: Collection[str]) -> str:
    """Return the name of the profile that a tree belongs to.

    `package` is its package.json, `files` are the paths of its tracked files. Raises
    UnsupportedError for everything that is not known to work, which is most of it.
    """
    name, version = package.get("name"), str(package.get("version", ""))
    if name != "nanoclaw":
        raise UnsupportedError(f"its package.json is of {name!r}, not of 'nanoclaw'")
    if _is_v2(package, version, files):
        raise UnsupportedError(f"this is NanoClaw {version}: {V2}")
    if "package-lock.json" not in files:
        raise UnsupportedError(f"NanoClaw {version} has no package-lock.json to install from")
    return _of_first_generation(package, version, files)


def _is_v2(package: Mapping[str, Any], version: str, files: Collection[str]) -> bool:
    major = version.partition(".")[0]
    manager = str(package.get("packageManager", ""))
    return (
        (major.isdecimal() and int(major) >= 2)
        or manager.startswith("pnpm")
        or any(path in files for path in V2_FILES)
    )


def _of_first_generation(package: Mapping[str, Any], version: str, files: Collection[str]) -> str:
    series = ".".join(version.split(".")[:2])
    docker = "src/container-runtime.ts" in files
    if series == "1.0" and not docker:
        return "v1.0"
    if series == "1.1" and docker and "src/channels/registry.ts" not in files:
        return "v1.1"
    if series == "1.2" and docker and "src/channels/registry.ts" in files:
        if _leaves_credentials_to_others(package, version, files):
            return "v1.2"
        raise UnsupportedError(
            f"NanoClaw {version} hands credentials over in the way of those before 1.2.21; take "
            "the commit of profile 'v1.2'"
        )
    raise UnsupportedError(
        f"no profile knows this NanoClaw {version or 'without a version'}; take profile 'v1.2' "
        "and its commit"
    )


def _leaves_credentials_to_others(
    package: Mapping[str, Any], version: str, files: Collection[str]
) -> bool:
    """Tell whether a 1.2 starts its agents without credentials, to which a gateway adds them."""
    patch = version.split(".")[2:3]
    proxy = "src/credential-proxy.ts" in files
    return (
        patch != []
        and patch[0].isdecimal()
        and int(patch[0]) >= 21
        and (not proxy or "@onecli-sh/sdk" in package.get("dependencies", {}))
    )
