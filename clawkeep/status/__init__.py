"""How a keep is, as its host, its guest and its doors say themselves."""

from clawkeep.status.gather import gather
from clawkeep.status.report import Door, GuardState, GuestState, Report, Verdict

__all__ = ["Door", "GuardState", "GuestState", "Report", "Verdict", "gather"]
