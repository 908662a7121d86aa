"""The certificates and host keys of the lab's servers, as files for `lab.services`."""

from pathlib import Path

from lab import addresses, keys
from lab.ca import Authority
from lab.services import internet

SSH_HOSTS = ("truenas_ssh", "forbidden_ssh", "public_ssh")


def write(folder: Path, authority: Authority) -> None:
    """Write every server's certificate and key under `folder`. Raises OSError."""
    names = {
        "vaultwarden": [addresses.VAULTWARDEN_NAME],
        "kubernetes": list(addresses.KUBERNETES_NAMES),
        "mail": [addresses.MAIL_NAME],
        "forbidden": ["forbidden.lab.internal", addresses.FORBIDDEN],
        "internet": [*internet.names(), *addresses.REBINDING, *addresses.RESOLVERS],
    }
    folder.mkdir(mode=0o700)
    for server, hosts in names.items():
        issued = authority.issue(hosts)
        (folder / f"{server}.pem").write_bytes(issued.certificate)
        _write_private(folder / f"{server}.key", issued.key)
    for host in SSH_HOSTS:
        _write_private(folder / host, keys.generate(host).private.encode())
    client = keys.generate("truenas_ssh.client")
    _write_private(folder / "truenas_ssh.client", client.private.encode())
    (folder / "truenas_ssh.client.pub").write_text(client.public)


def _write_private(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
