"""A machine's end of the lab's own clock: where every program of it finds clock.c, compiled."""

FOLDER = "/System/Lab/clock"
"""Where a machine sees it; a lab that was started without a clock has no such folder."""

LIBRARY = f"{FOLDER}/clock.so"
JUMPS = f"{FOLDER}/jumps"
