"""Where the machine's files are; a scratch folder stands for `/` in tests without a lab."""

import os

ROOT = os.environ.get("LAB_ROOT_PREFIX", "")

SOCKET = "/private/var/run/launchd.sock"
LOG = "/private/var/log/com.apple.xpc.launchd/launchd.log"
OVERRIDES = "/private/var/db/com.apple.xpc.launchd"
KCPASSWORD = "/private/etc/kcpassword"
SHADOW = "/private/etc/shadow"
LOGINWINDOW = "/Library/Preferences/com.apple.loginwindow.plist"
RUN = "/private/var/run"
KEYCHAIN_UNLOCKED = "/private/var/run/keychain-unlocked-{uid}"
DAEMON_FOLDERS = ("/System/Library/LaunchDaemons", "/Library/LaunchDaemons")
AGENT_FOLDERS = ("/System/Library/LaunchAgents", "/Library/LaunchAgents")


def at(path: str) -> str:
    """Return the place of an absolute Mac path."""
    return ROOT + path if ROOT else path
