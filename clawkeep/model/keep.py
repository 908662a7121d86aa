"""The declared keep as a whole."""

from __future__ import annotations

import hashlib
import json
from ipaddress import IPv4Network

from pydantic import Field, SerializeAsAny, model_validator

from clawkeep import profiles
from clawkeep.domains import allows
from clawkeep.model.agent import Agent, agent_conflicts
from clawkeep.model.alerts import AlertHook, alert_conflicts
from clawkeep.model.backup import Backup, backup_conflicts
from clawkeep.model.base import Declared, Many
from clawkeep.model.conflict import conflicts
from clawkeep.model.decisions import Decisions
from clawkeep.model.egress import Egress
from clawkeep.model.guest import Guest
from clawkeep.model.host import Host
from clawkeep.model.mount import Mount
from clawkeep.model.offline import MOUNT, offline_conflicts
from clawkeep.model.service import Service
from clawkeep.model.snapshots import Snapshots

MODEL_API = "api.anthropic.com"
RECOMMENDED_MEMORY_MB = 8192
WRITTEN_BY_THE_AGENT = frozenset({"groups", "ipc", "sessions", "store"})


class Keep(Declared):
    """Everything that is declared, and nothing that is only known at run time (see `Link`)."""

    services: Many[Service] = ()
    host: Host = Field(default_factory=Host)
    guest: Guest = Field(default_factory=Guest)
    egress: Egress = Field(default_factory=Egress)
    decisions: Decisions = Field(default_factory=Decisions)
    agent: Agent | None = None
    backup: Backup | None = None
    snapshots: Snapshots | None = None
    skills: dict[str, SerializeAsAny[Declared]] = Field(default_factory=dict)
    alerts: Many[AlertHook] = ()
    own_skills: dict[str, dict[str, str]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _no_conflicts(self) -> Keep:
        entries = [{"name": s.name, "port": s.port, "target": s.target} for s in self.services]
        if found := list(conflicts(entries, self.host.guest_network)):
            raise ValueError("; ".join(f"{entries[c.index]['name']}: {c.message}" for c in found))
        return self

    @model_validator(mode="after")
    def _agent_fits(self) -> Keep:
        if self.agent and (found := list(agent_conflicts(self.agent, self.guest))):
            raise ValueError(
                "; ".join(f"{'.'.join(map(str, where))}: {what}" for where, what in found)
            )
        return self

    @model_validator(mode="after")
    def _alerts_fit(self) -> Keep:
        if found := list(alert_conflicts(self.alerts)):
            raise ValueError("; ".join(f"{'.'.join(map(str, p))}: {what}" for p, what in found))
        return self

    @model_validator(mode="after")
    def _backup_fits(self) -> Keep:
        if self.backup and (
            found := list(backup_conflicts(self.backup, self.services, self.guest))
        ):
            raise ValueError(
                "; ".join(f"{'.'.join(map(str, where))}: {what}" for where, what in found)
            )
        return self

    @model_validator(mode="after")
    def _cache_fits(self) -> Keep:
        if self.offline and (found := list(offline_conflicts(self.guest, self.agent))):
            raise ValueError(
                "; ".join(f"{'.'.join(map(str, where))}: {what}" for where, what in found)
            )
        return self

    @property
    def offline(self) -> bool:
        """Whether the guest is built from the host's cache alone."""
        return self.decisions.install_from == "cache"

    @property
    def shares(self) -> tuple[Mount, ...]:
        """The folders of the host that the guest sees: those declared, and the cache."""
        return (*self.guest.mounts, *((MOUNT,) if self.offline else ()))

    @property
    def sharing_guest(self) -> Guest:
        """The guest with all its shares, as it is run."""
        return self.guest.model_copy(update={"mounts": self.shares})

    @property
    def digest(self) -> str:
        """SHA-256, in hex, of all that is declared: equal digests mean equal keeps."""
        # A keep without these is the keep that it was before there were any.
        parts = ("agent", "skills", "own_skills", "alerts", "backup", "snapshots")
        absent = {name for name in parts if not getattr(self, name)}
        said = self.model_dump(mode="json", exclude=absent)
        if not self.offline:
            del said["decisions"]["install_from"]
        text = json.dumps(said, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def bridge_labels(self) -> frozenset[str]:
        """The launchd labels of all bridges; any other `com.nanoclaw.bridge.*` must go."""
        return frozenset(service.label for service in self.services)

    @property
    def host_packages(self) -> tuple[str, ...]:
        """The formulas that the host needs: those declared, and the resolver's if there is one."""
        packages = self.host.packages
        if self.decisions.dns == "resolver" and "dnsmasq" not in packages:
            return (*packages, "dnsmasq")
        return packages

    def services_inside(self, network: IPv4Network) -> tuple[Service, ...]:
        """Return the services whose target is in `network`, such as the live guest network."""
        return tuple(s for s in self.services if s.target.address and s.target.address in network)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences about what is allowed but will probably not do what the operator wants."""
        return (*self._size_warnings(), *self._mount_warnings(), *self._agent_warnings())

    def _size_warnings(self) -> list[str]:
        found = []
        if self.guest.memory_mb < RECOMMENDED_MEMORY_MB:
            found.append(
                f"guest.memory_mb is {self.guest.memory_mb}; {RECOMMENDED_MEMORY_MB} is "
                "recommended for whisper beside Claude Code"
            )
        if not self.guest.pinned:
            found.append(
                f"guest.image {self.guest.image} has no digest, so two hosts may clone different "
                "images; `tart fqn` prints the digest to add"
            )
        return found

    def _mount_warnings(self) -> list[str]:
        found = []
        for mount in self.guest.mounts:
            last = mount.path.rpartition("/")[2]
            if mount.read_only and mount.name in WRITTEN_BY_THE_AGENT:
                found.append(
                    f"mount {mount.name!r} is read-only, but NanoClaw writes logs, conversations "
                    f"and CLAUDE.md into {mount.name}; keep the live folder on the guest's own disk"
                )
            if not mount.read_only and last in {"ipc", "store"}:
                found.append(
                    f"mount {mount.name!r} is shared live: the guest sees no file events for what "
                    "the host writes there, and SQLite files must not lie on it"
                )
        return found

    def _agent_warnings(self) -> list[str]:
        if self.agent is None or self._reaches(MODEL_API):
            return []
        text = f"egress opens no way to {MODEL_API}, so the agent cannot answer"
        return [f'{text}; {{"mode": "domains", "profiles": ["agent"]}} does']

    def _reaches(self, name: str) -> bool:
        """Tell whether egress lets the guest reach a name; networks may, so they count as yes."""
        named = (*self.egress.domains, *profiles.domains(self.egress.profiles))
        return self.egress.mode == "cidrs" or allows(named, name)
