"""The facts of this lab machine, from /System/Lab/machine.json, and the Mac it plays."""

import json
from typing import Any

from . import paths

PRODUCT_VERSION = "15.7.1"
BUILD_VERSION = "24G231"
DARWIN_RELEASE = "24.6.0"
HOST_MODEL = "Mac16,10"
GUEST_MODEL = "VirtualMac2,1"


def facts() -> dict[str, Any]:
    """Return the machine's facts; a host's defaults where there is no such file."""
    try:
        return dict(json.loads(paths.at("/System/Lab/machine.json").read_text(encoding="utf-8")))
    except OSError:
        return {"role": "host", "name": "host"}


def is_guest() -> bool:
    """Say whether this machine is a VM."""
    return facts().get("role") == "guest"
