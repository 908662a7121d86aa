"""How operations tell `clawkeep plan` what they found: a file of JSON lines, by a variable."""

from typing import Final

VARIABLE: Final = "CLAWKEEP_PLAN_NOTES"
"""Names the file; unset where nobody reads it."""
