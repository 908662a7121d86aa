"""How a keep is, as its host, its guest, its agent and its doors say themselves."""

from clawkeep.status.gather import gather
from clawkeep.status.report import Door, GuardState, GuestState, Report
from clawkeep.verdict import Verdict

__all__ = ["Door", "GuardState", "GuestState", "Report", "Verdict", "gather"]
