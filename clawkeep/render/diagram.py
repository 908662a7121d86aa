"""A picture of the keep, in Mermaid, for the documentation."""

from __future__ import annotations

from collections.abc import Iterator

from clawkeep.model import Keep, Mount, Service


def diagram(keep: Keep) -> str:
    """Return a Mermaid flowchart: the guest, its doors on the host, and what is behind them."""
    return "\n".join(_lines(keep)) + "\n"


def _lines(keep: Keep) -> Iterator[str]:
    yield "flowchart LR"
    yield f"    subgraph host[{_quoted('Host (Mac)')}]"
    yield f"        guest[{_quoted(_guest(keep))}]"
    for number, service in enumerate(keep.services):
        yield f"        door{number}[{_quoted(f'gateway:{service.port} ({service.name})')}]"
    for number, mount in enumerate(keep.guest.mounts):
        yield f"        folder{number}[({_quoted(mount.path)})]"
    yield "    end"
    for number, service in enumerate(keep.services):
        yield f"    target{number}[{_quoted(str(service.target))}]"
        yield f"    guest --> door{number} -->|{_quoted(_shown_kind(service))}| target{number}"
    for number, mount in enumerate(keep.guest.mounts):
        yield f"    guest {_arrow(mount)} folder{number}"
    egress = _quoted(f"egress: {keep.egress.mode}")
    yield f"    guest --x|{egress}| rest[{_quoted('anything else')}]"


def _guest(keep: Keep) -> str:
    guest = keep.guest
    size = f"{guest.cpu} CPU, {guest.memory_mb} MB, {guest.disk_gb} GB"
    return f"{guest.name}<br/>{size}<br/>user {guest.user}"


def _shown_kind(service: Service) -> str:
    return service.kind if service.kind == "tcp" else service.kind.upper()


def _arrow(mount: Mount) -> str:
    return f"---|{_quoted('read-only' if mount.read_only else 'read and write')}|"


def _quoted(text: str) -> str:
    """Quote a Mermaid label; its only escape is the entity."""
    return '"' + text.replace("#", "#35;").replace('"', "#quot;") + '"'
