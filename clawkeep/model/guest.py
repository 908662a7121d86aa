"""The guest: its image, its size, its user, its folders and its tools."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator

from clawkeep.model.base import Declared, Many
from clawkeep.model.image import image_reference
from clawkeep.model.mount import Mount, as_mount, mount_conflicts
from clawkeep.model.tools import formula, once_each, pip_tool, tapped_formula

VM_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,57}")
USER = re.compile(r"[a-z][a-z0-9_-]{0,30}")
TAKEN_USERS = frozenset({"admin", "daemon", "guest", "nobody", "root", "runner", "shared"})

IMAGE_DISK_GB = 50
"""The base image's own size; a disk never shrinks. Source: reference/tart.md §1.4, §5."""

LEAST_CPU = 4
"""A macOS guest needs four. Source: reference/tart.md §1.4."""


def vm_name(name: str) -> str:
    """Return `name` when it can name a local VM of tart, raise ValueError otherwise."""
    if not VM_NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} cannot name a guest: take up to 58 letters, digits, hyphens and "
            "underscores, beginning with a letter or digit"
        )
    return name


def guest_user(name: str) -> str:
    """Return `name` when the guest may get that user, raise ValueError otherwise."""
    if not USER.fullmatch(name):
        raise ValueError(f"{name!r} is no short name of a macOS user")
    if name in TAKEN_USERS:
        raise ValueError(f"{name!r} belongs to the image or to macOS; take another name")
    return name


class Guest(Declared):
    """The macOS VM that is the keep."""

    name: Annotated[str, AfterValidator(vm_name)] = "nanoclaw-vm"
    image: Annotated[str, AfterValidator(image_reference)] = "ghcr.io/cirruslabs/macos-sequoia-base"
    cpu: int = Field(default=4, ge=LEAST_CPU, le=64)
    memory_mb: int = Field(default=8192, ge=4096, le=524_288)
    disk_gb: int = Field(default=50, ge=IMAGE_DISK_GB, le=8000)
    user: Annotated[str, AfterValidator(guest_user)] = "claw"
    network: Literal["softnet"] = "softnet"
    mounts: Many[Annotated[Mount, BeforeValidator(as_mount)]] = ()
    packages: Many[Annotated[str, AfterValidator(formula)]] = ()
    tapped: Many[Annotated[str, AfterValidator(tapped_formula)]] = ()
    pip_tools: Many[Annotated[str, AfterValidator(pip_tool)]] = ()

    @field_validator("mounts")
    @classmethod
    def _mounts_apart(cls, mounts: tuple[Mount, ...]) -> tuple[Mount, ...]:
        if found := list(mount_conflicts(mounts)):
            raise ValueError("; ".join(found))
        return mounts

    @field_validator("packages", "tapped", "pip_tools")
    @classmethod
    def _once_each(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return once_each(names)

    @property
    def pinned(self) -> bool:
        """Whether the image is named by digest, so that every clone is the same."""
        return "@sha256:" in self.image

    @property
    def base_snapshot(self) -> str:
        """The name of the snapshot that is taken when the guest is first complete."""
        return f"{self.name}-base"
