"""All images of one lab, in one folder."""

from dataclasses import dataclass
from pathlib import Path

from lab.mac.forkserver.entry import CLIENT

from . import client, guest, host, system
from .commands import Command, registered, write_stand_ins
from .tree import Tree


@dataclass(frozen=True)
class Images:
    """Where the images are: `folder` is what the host sees as /System/Lab/images.

    The host's root lies over `guest`, the bare macOS that it shares with guests.
    """

    folder: Path

    @property
    def bare(self) -> Path:
        """Return the bare macOS."""
        return self.folder / "guest"

    @property
    def base_disk(self) -> Path:
        """Return the disk of the cirruslabs base image."""
        return self.folder / "sequoia-base.disk"

    @property
    def host(self) -> Path:
        """Return the host's own layer."""
        return self.folder / "host"


def build(folder: Path, ca: bytes, identity: host.HostIdentity) -> Images:
    """Build all images under `folder`.

    Raises OSError or ValueError, naming the file, or subprocess.CalledProcessError.
    """
    images = Images(folder)
    commands = registered()
    program = client.compiled()
    warm = program is not None
    bare, own, disk = Tree(images.bare), Tree(images.host), Tree(images.base_disk)
    system.write_system(bare, ca)
    if program is not None:
        bare.write(CLIENT, program, mode=0o755)
    write_stand_ins(bare, _on(commands, "host", "guest"), warm=warm)
    host.write_host(own, identity)
    write_stand_ins(own, _on(commands, "host"), warm=warm)
    guest.write_base_disk(disk, identity.bottles)
    write_stand_ins(disk, _on(commands, "guest"), warm=warm)
    for tree in (bare, own, disk):
        tree.folder.chmod(0o755)
    return images


def _on(commands: list[Command], *roles: str) -> list[Command]:
    return [command for command in commands if command.on == frozenset(roles)]
