"""The keep's contract: what the guest can reach, read and write, what it never can, in sentences.

Made of the declaration alone, so that it can be read, signed and compared before any machine is
touched. Every declared value stands between backticks, and nothing else does but the few constants
of `FIXED`.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from clawkeep.explain import agent, denials, egress
from clawkeep.explain.prose import code, duration, plural
from clawkeep.model import Keep, Mount, Service
from clawkeep.model.mount import SHARED_FOLDER
from clawkeep.policy import RESOLVER_PORT, EgressPolicy

FIXED = ("/etc/hosts", str(SHARED_FOLDER), "clawkeep allow", "clawkeep grants")
"""What stands between backticks in every contract."""

WIDTH = 96


@dataclass(frozen=True)
class Section:
    """One heading and its sentences, each a paragraph of its own."""

    title: str
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Contract:
    """All sections, in the order in which they are read."""

    keep: Keep
    policy: EgressPolicy

    @property
    def title(self) -> str:
        """Whose contract it is."""
        return f"Contract of the keep {code(self.keep.guest.name)}"

    def sections(self) -> Iterator[Section]:
        """Yield the sections."""
        keep = self.keep
        yield Section("What it is about", tuple(_about(keep)))
        yield Section("What the guest can reach", tuple(_doors(keep)))
        yield Section("What of the internet", tuple(egress.sentences(self.policy, keep)))
        yield Section("Which folders of the Mac", tuple(_folders(keep)))
        if keep.agent:
            yield Section("What agents can do in the guest", tuple(agent.sentences(keep)))
        yield Section("What reaches the guest", tuple(_inwards()))
        yield Section("What the guest can never do", tuple(denials.sentences(keep, self.policy)))
        yield Section("What ends by itself", tuple(_ends(keep, self.policy)))
        yield Section("What is not promised", denials.NOT_PROMISED)
        if keep.warnings:
            yield Section("What to look at twice", tuple(map(code_free, keep.warnings)))

    def markdown(self) -> str:
        """Return the contract as Markdown."""
        parts = [f"# {self.title}\n"]
        for section in self.sections():
            parts.append(f"\n## {section.title}\n\n")
            parts += [f"- {sentence}\n" for sentence in section.sentences]
        return "".join(parts)

    def text(self) -> str:
        """Return the contract for a terminal: wrapped, headings in capitals."""
        parts = [f"{self.title}\n"]
        for section in self.sections():
            parts.append(f"\n{section.title.upper()}\n")
            parts += [f"{_wrapped(sentence)}\n" for sentence in section.sentences]
        return "".join(parts)

    def as_json(self) -> dict[str, Any]:
        """Return the sentences by section, and the digest of the declaration they describe."""
        return {
            "guest": self.keep.guest.name,
            "digest": self.keep.digest,
            "sections": [
                {"title": section.title, "sentences": list(section.sentences)}
                for section in self.sections()
            ],
        }


def code_free(sentence: str) -> str:
    """Return a sentence that was written for a terminal, with its backticks turned into quotes."""
    return sentence.replace("`", "'") + "."


def _wrapped(sentence: str) -> str:
    return textwrap.fill(
        sentence,
        WIDTH,
        initial_indent="  - ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _about(keep: Keep) -> Iterator[str]:
    guest = keep.guest
    yield (
        f"The guest {code(guest.name)} is a macOS virtual machine on this Mac, made from the image "
        f"{code(guest.image)}, with {guest.cpu} processor cores, {guest.memory_mb} MB of memory "
        f"and a disk of {guest.disk_gb} GB. The agent works in it as the user {code(guest.user)}."
    )
    yield (
        "The guest is taken to be hostile: everything below holds also when somebody else has "
        "taken it over. The gateway is the Mac's own address on the guest's private network."
    )
    yield f"The declaration that this contract describes has the digest {code(keep.digest)}."


def _doors(keep: Keep) -> Iterator[str]:
    if keep.services:
        count = plural(len(keep.services), "service")
        yield f"Exactly {count}, by TCP, each at its own port of the gateway:"
    else:
        yield "No service at all: none is declared."
    for service in keep.services:
        yield " ".join(_door(service))
    if keep.decisions.dns == "resolver":
        yield (
            f"A resolver at port {code(RESOLVER_PORT)} of the gateway, which knows the names of "
            "the services above and no other."
        )
    yield "Besides, it may ask the Mac for its own network address (DHCP), and for nothing else."


def _door(service: Service) -> Iterator[str]:
    yield (
        f"{code(service.name)}: port {code(service.port)} of the gateway leads to "
        f"{code(service.target)}, and to nothing else."
    )
    yield _must_be(service)
    if service.guest_name:
        hosts = code("/etc/hosts")
        yield f"The guest calls it {code(service.guest_name)}, by a line in its {hosts}."
    at_once = plural(service.max_connections, "connection")
    idle = service.idle_s
    silence = (
        "silence never closes one"
        if idle is None
        else f"one that is silent for {duration(idle)} is closed"
    )
    yield f"At most {at_once} at a time, further ones wait; {silence}."
    if service.note:
        yield f"The operator's note: {code(service.note)}"


def _must_be(service: Service) -> str:
    if service.kind == "tls":
        authority = (
            f"of the private authority in {code(service.ca)}"
            if service.ca
            else "of an authority that the guest trusts"
        )
        return (
            "The probes from inside the guest check that whoever answers there shows a certificate "
            f"for {code(service.tls_name)} {authority}."
        )
    seen = {
        "http": "speaks HTTP, which is not encrypted",
        "ssh": "speaks SSH",
        "tcp": "accepts a connection, and nothing more",
    }
    return (
        f"The probes from inside the guest check that whoever answers there {seen[service.kind]}."
    )


def _folders(keep: Keep) -> Iterator[str]:
    mounts = keep.guest.mounts
    if not mounts:
        yield "None: no folder of the Mac is shared."
        return
    yield f"Exactly {plural(len(mounts), 'folder')}, each below {code(SHARED_FOLDER)} in the guest:"
    yield from (_folder(mount) for mount in mounts)


def _folder(mount: Mount) -> str:
    where = f"{code(mount.path)}, in the guest as {code(mount.name)}"
    if mount.read_only:
        return f"It can read, and never write, {where}. The Mac enforces that, not the guest."
    return (
        f"It can read and write {where}: whoever owns the guest can change, delete or replace "
        "everything in there."
    )


def _inwards() -> Iterator[str]:
    yield (
        "The Mac may open SSH (TCP port 22) into the guest, to manage it. No other machine, and "
        "nothing else on the Mac, can open a connection to it over the network."
    )
    yield (
        "The Mac starts and stops the guest, gives it its address, and can run commands in it "
        "through the virtual machine itself, without any network."
    )


def _ends(keep: Keep, policy: EgressPolicy) -> Iterator[str]:
    yield (
        f"A door that the operator opens for a while ({code('clawkeep allow')}) closes at its hour "
        f"by the Mac's clock, with every connection through it; {code('clawkeep grants')} lists "
        "those that are open. No such door is part of this contract."
    )
    yield (
        "The provisioning window, through which packages reach the guest while the keep is built, "
        "closes when the run that opened it ends, fails or is killed, and in any case at its hour."
    )
    if policy.mode == "domains":
        yield egress.reporting(policy)
    if any(service.idle_s for service in keep.services):
        yield "A silent connection through a door with such a limit is closed, as said above."
