"""Settings for the guest's clients: what makes ssh and kubectl speak through a bridge, and safely.

A bridge changes address and port, never who answers. So each client is told where the gateway is
and whom it must find behind it: ssh a host key under the service's own name, kubectl the name in
the certificate. No credentials: those are the user's. Source: reference/macos.md §8.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address

from clawkeep.hostkeys import HostKey
from clawkeep.model import Service

SSH_FOLDER = ".ssh/config.d"
SSH_CONFIG = f"{SSH_FOLDER}/clawkeep"
KNOWN_HOSTS = ".ssh/known_hosts_clawkeep"
INCLUDE = "Include config.d/clawkeep"
"""The first line of ~/.ssh/config: what comes first counts, and nothing stands before it that
would make it conditional."""

KUBECONFIGS = ".kube/clawkeep-*.yaml"
CERTIFICATES = ".config/clawkeep/ca/*.pem"
OURS = (SSH_CONFIG, KNOWN_HOSTS, KUBECONFIGS, CERTIFICATES)
"""All files of ours in a user's home, as patterns of the shell."""

KUBERNETES_PORT = 6443
HEADLINE = "# Written by clawkeep. Do not edit: it is rendered anew."


def client_files(
    services: Iterable[Service],
    gateway: IPv4Address,
    keys: Iterable[HostKey] = (),
    cas: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the files by their path below the user's home; all of them are for the user alone.

    `keys` are the pinned host keys, `cas` PEM texts by the services' `ca` names.
    """
    services = tuple(services)
    files = {}
    if shells := [service for service in services if service.kind == "ssh"]:
        names = {service.name for service in shells}
        files[SSH_CONFIG] = ssh_config(shells, gateway)
        files[KNOWN_HOSTS] = known_hosts(key for key in keys if key.service in names)
    for service in services:
        ca = (cas or {}).get(service.ca) if service.ca else None
        if ca:
            files[CERTIFICATES.replace("*", service.name)] = ca
        if service.kind == "tls" and service.target.port == KUBERNETES_PORT:
            files[KUBECONFIGS.replace("*", service.name)] = kubeconfig(service, gateway, ca)
    return files


def ssh_config(services: Iterable[Service], gateway: IPv4Address) -> str:
    """Return the ssh_config of services of kind ssh, each under its own name.

    Without an alias ssh would look for the key of `[gateway]:port`, which is every keep's.
    """
    blocks = [
        f"Host {service.name}\n"
        f"    HostName {gateway}\n"
        f"    Port {service.port}\n"
        f"    HostKeyAlias {service.name}\n"
        "    StrictHostKeyChecking yes\n"
        f"    UserKnownHostsFile ~/{KNOWN_HOSTS}\n"
        "    GlobalKnownHostsFile /dev/null\n"
        "    UpdateHostKeys no\n"
        for service in services
    ]
    return "\n".join((f"{HEADLINE}\n", *blocks))


def known_hosts(keys: Iterable[HostKey]) -> str:
    """Return the known_hosts of the services: ssh refuses a service whose key is not in it."""
    return "".join(f"{line}\n" for line in (HEADLINE, *(key.line for key in keys)))


def kubeconfig(service: Service, gateway: IPv4Address, ca: str | None) -> str:
    """Return the kubeconfig of an API server; its user, called like the service, is not in it.

    Credentials are in a file of the user's own, which kubectl takes together with this one:
    `KUBECONFIG=~/.kube/clawkeep-NAME.yaml:~/.kube/config` (measured: kubectl 1.32).
    """
    cluster = {"server": f"https://{gateway}:{service.port}", "tls-server-name": service.tls_name}
    if ca:
        cluster["certificate-authority-data"] = base64.b64encode(ca.encode()).decode()
    # JSON's strings are YAML's, too; bare, a service called `true` would be none.
    name = json.dumps(service.name)
    lines = (
        HEADLINE,
        f"# Credentials: user {name} in a file of your own; KUBECONFIG=this-file:your-file",
        "apiVersion: v1",
        "kind: Config",
        "clusters:",
        f"- name: {name}",
        "  cluster:",
        *(f"    {key}: {json.dumps(value)}" for key, value in cluster.items()),
        "contexts:",
        f"- name: {name}",
        "  context:",
        f"    cluster: {name}",
        f"    user: {name}",
        f"current-context: {name}",
    )
    return "\n".join(lines) + "\n"
