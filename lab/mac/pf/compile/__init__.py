"""pf's rules as one nftables table, `inet lab_pf`, that does to packets what pf would do."""

from .program import program
from .refuse import UncompilableError, refuse

__all__ = ["UncompilableError", "program", "refuse"]
