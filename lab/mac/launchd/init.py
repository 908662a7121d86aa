"""Process 1 of a lab machine: finds the package beside it and hands over to `boot`.

It is run as a file, by an isolated interpreter that knows no package yet. Exit status: 0 halt,
65 reboot requested (see `machine.REBOOT_STATUS`).
"""

import importlib
import os
import sys

if __name__ == "__main__":
    lab = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    sys.path.insert(0, lab)
    sys.exit(importlib.import_module("mac.launchd.boot").main())
