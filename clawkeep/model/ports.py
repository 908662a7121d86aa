"""Ports that a bridge must not take, each with its reason."""

from __future__ import annotations

RESERVED: dict[int, str] = {
    2049: "the host's NFS server",
    3053: "Clawkeep's own resolver",
    3128: "Clawkeep's own egress proxy",
    3283: "the host's Remote Management",
    5000: "the host's AirPlay receiver",
    5900: "the host's Screen Sharing",
    7000: "the host's AirPlay receiver",
}
"""Gateway port -> what it belongs to. 8080 is free on a Mac, so it may be a door."""

LOWEST, HIGHEST = 1024, 65535


def bridge_port(port: int) -> int:
    """Return `port` when a bridge may listen there; raise ValueError with the reason when not."""
    if port < 1 or port > HIGHEST:
        raise ValueError(f"{port} is no TCP port; take one from {LOWEST} to {HIGHEST}")
    if port < LOWEST:
        raise ValueError(
            f"{port} is below {LOWEST}, which only root may open; bridges run unprivileged: "
            f"take one from {LOWEST} to {HIGHEST}, for example {18000 + port}"
        )
    if owner := RESERVED.get(port):
        raise ValueError(f"{port} is reserved for {owner}; take another port")
    return port
