"""Whether the keep works, layer by layer, why it does not, and what may be done about it.

Pure, but for `inside`, which runs in the guest. `clawkeep.onhost.health` looks and acts. Standard
library only: the host has all of it.
"""
