"""The declared keep: frozen models, and the rules that hold between their parts.

Nothing here reads a file or a clock. `clawkeep.config` makes a `Keep` from YAML and group_data,
`clawkeep.render` makes text from a `Keep` and the live `Link`.
"""

from clawkeep.link import Link
from clawkeep.model.agent import Agent, agent_conflicts
from clawkeep.model.alerts import AlertHook, alert_conflicts
from clawkeep.model.allowlist import Allowlist
from clawkeep.model.backup import Backup, backup_conflicts
from clawkeep.model.conflict import Conflict, conflicts
from clawkeep.model.decisions import Decisions
from clawkeep.model.egress import Egress
from clawkeep.model.guest import Guest
from clawkeep.model.host import Host
from clawkeep.model.keep import Keep
from clawkeep.model.mount import Mount, mount_conflicts, parse_mount
from clawkeep.model.service import LABEL_PREFIX, Kind, Service
from clawkeep.model.snapshots import Snapshots
from clawkeep.model.target import Target

__all__ = [
    "LABEL_PREFIX",
    "Agent",
    "AlertHook",
    "Allowlist",
    "Backup",
    "Conflict",
    "Decisions",
    "Egress",
    "Guest",
    "Host",
    "Keep",
    "Kind",
    "Link",
    "Mount",
    "Service",
    "Snapshots",
    "Target",
    "agent_conflicts",
    "alert_conflicts",
    "backup_conflicts",
    "conflicts",
    "mount_conflicts",
    "parse_mount",
]
