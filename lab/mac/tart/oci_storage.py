"""The cache of registry images: a folder per digest, and a symlink per tag.

Source: reference/tart.md §1.3, §1.6, §1.8 (VMStorageOCI.swift).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from pathlib import Path

from ..virtualization import wire
from . import disk_image, home, registry
from .errors import INCOMPLETE_DATA, OtherError, TartError
from .remote_name import RemoteName
from .vm_directory import VMDirectory

CONFIG_TYPE = "application/vnd.cirruslabs.tart.config.v1"
DISK_TYPE = "application/vnd.cirruslabs.tart.disk.v2"
NVRAM_TYPE = "application/vnd.cirruslabs.tart.nvram.v1"
_SIZE = "org.cirruslabs.tart.uncompressed-disk-size"


def folder() -> Path:
    """Return the cache's root, which may not exist yet."""
    return home.home() / "cache" / "OCIs"


def _path(name: RemoteName) -> Path:
    return folder() / name.host.replace(":", "%3A") / name.namespace / name.value


def exists(name: RemoteName) -> bool:
    """Say whether an image is cached, however old."""
    return VMDirectory(_path(name)).initialized


def open_image(name: RemoteName) -> VMDirectory:
    """Return a cached image, noting the access. Raises VMDoesNotExistError."""
    vm = VMDirectory(_path(name))
    vm.validate(str(name))
    VMDirectory(vm.path.resolve()).touch()
    return vm


def digest(name: RemoteName) -> str:
    """Return the digest that a cached name stands for. Raises TartError."""
    found = _path(name).resolve().name
    if not found.startswith("sha256:"):
        raise TartError(f"OCI storage error: {name} is not a digest and doesn't point to a digest")
    return found


def pull(name: RemoteName, *, insecure: bool = False) -> None:
    """Fetch an image unless its digest is cached, and point its tag there.

    Raises OtherError, TartError.
    """
    print("pulling manifest...")
    found, layers = registry.manifest(name, insecure=insecure)
    by_digest = name.at(found)
    if exists(name) and _path(name).resolve() == _path(by_digest).resolve():
        print(f"{by_digest} image is already cached and linked!")
        return
    host_folder = folder() / name.host.replace(":", "%3A")
    host_folder.mkdir(parents=True, exist_ok=True)
    with home.locked(host_folder):
        if exists(by_digest):
            print(f"{by_digest} image is already cached! creating a symlink...")
        else:
            _download(name, by_digest, layers, insecure=insecure)
        if name == by_digest:
            (_path(name) / ".explicitly-pulled").touch()
        else:
            _link(_path(name), _path(by_digest))


def _download(
    name: RemoteName, by_digest: RemoteName, layers: dict[str, dict[str, object]], *, insecure: bool
) -> None:
    key = hashlib.md5(str(name).encode(), usedforsecurity=False).hexdigest()
    vm = VMDirectory(home.home() / "tmp" / key)
    vm.path.mkdir(exist_ok=True)
    descriptor = os.open(vm.path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        for kind, file in ((CONFIG_TYPE, vm.config_file), (NVRAM_TYPE, vm.nvram)):
            file.write_bytes(registry.blob(name, str(layers[kind]["digest"]), insecure=insecure))
        disk = layers[DISK_TYPE]
        compressed = disk_image.human(int(str(disk["size"])))
        print(f"pulling disk ({compressed} compressed)...")
        answer = wire.ask({"op": "disk.from_image", "image": name.namespace.rpartition("/")[2]})
        size = int(str(disk["annotations"][_SIZE]))  # type: ignore[index]
        disk_image.write(vm.disk, answer["uuid"], size)
        print("100%\npulling NVRAM...")
        target = _path(by_digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.rename(vm.path, target)
    except KeyError as error:
        raise OtherError(INCOMPLETE_DATA) from error
    finally:
        os.close(descriptor)


def _link(link: Path, target: Path) -> None:
    link.unlink(missing_ok=True)
    link.symlink_to(target)


def list_images() -> list[tuple[str, VMDirectory]]:
    """Return every cached name, by tag and by digest."""
    found = []
    for file in sorted(folder().rglob("config.json")) if folder().is_dir() else []:
        vm = VMDirectory(file.parent)
        if vm.initialized:
            found.append((_name_of(vm.path, "@"), vm))
    links = (path for path in folder().rglob("*") if path.is_symlink()) if folder().is_dir() else ()
    found += [(_name_of(path, ":"), VMDirectory(path)) for path in links if path.exists()]
    return sorted(found, key=lambda one: one[0])


def _name_of(path: Path, sign: str) -> str:
    return f"{path.parent.relative_to(folder())}{sign}{path.name}".replace("%3A", ":")


def delete(name: RemoteName) -> None:
    """Delete a cached name, and the content when nothing else points at it."""
    path = _path(name)
    VMDirectory(path).validate(str(name))
    if path.is_symlink():
        path.unlink()
    else:
        home.remove(path)
    collect_unreferenced()


def collect_unreferenced() -> None:
    """Delete tags that point nowhere, and digests that no tag points at and nobody pulled."""
    if not folder().is_dir():
        return
    links = [path for path in folder().rglob("*") if path.is_symlink()]
    kept = {link.resolve() for link in links if link.exists()}
    for link in links:
        if not link.exists():
            link.unlink()
    for path in [file.parent for file in folder().rglob("config.json")]:
        if path.resolve() not in kept and not (path / ".explicitly-pulled").exists():
            home.remove(path)
