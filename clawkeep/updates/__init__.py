"""Updates of what a guest is made of: what there is, what may be applied, and how it is undone.

Nothing here changes a declaration. What the declaration pins is changed there; what Clawkeep can
do unattended is done between a snapshot and a probe, and the snapshot comes back when the probe is
red. A major is applied only when somebody has said its name.
"""

from clawkeep.updates.update import KINDS, Plan, SelectionError, Update, selected

__all__ = ["KINDS", "Plan", "SelectionError", "Update", "selected"]
