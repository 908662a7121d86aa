"""What is declared about every host and guest. Values only: pyinfra executes this file.

The allowlist stands in allowlist.yml. A problem with a value here is reported with its line, and
then nothing on any machine changes. Open decisions of the migration plan are marked DECISION, each
with the recommended answer and its reason.
"""

host = {
    # Where tart and softnet come from. Tart's first tap, cirruslabs/cli, is frozen.
    "tap": "openai/tools",
    # The oldest that can close the guest's network: --net-softnet-block came with tart 2.30.0,
    # the @host alias with softnet 0.19.0.
    "tart_version": "2.30.0",
    "softnet_version": "0.19.0",
    "packages": ["socat"],
    # Bridges run as this user: whoever owns Homebrew can replace socat, and must not become root.
    "bridge_user": "_clawkeep",
    # Where macOS puts guests unless told otherwise. Only for refusing targets in there: the live
    # bridge, gateway and addresses are always looked up.
    "guest_network": "192.168.64.0/24",
}

guest = {
    "name": "nanoclaw-vm",
    # Add @sha256:<digest> (`tart fqn` prints it) to clone the same image for ever. `:latest` moves,
    # and a cached copy of it is never refreshed.
    "image": "ghcr.io/cirruslabs/macos-sequoia-base",
    # macOS needs four.
    "cpu": 4,
    # DECISION RAM (4 or 8 GB): 8192. whisper beside Claude Code does not fit into 4 GB.
    "memory_mb": 8192,
    # DECISION disk (30 or 50 GB): 50. The image itself is 50 GB and a disk never shrinks, so 30 is
    # not possible; whisper models and Homebrew fill it. It can grow later.
    "disk_gb": 50,
    "user": "claw",
    # The only network that closes. Bridged and shared networks let the guest out.
    "network": "softnet",
    # Folders of the host, at "/Volumes/My Shared Files/<name>" in the guest.
    "mounts": [
        {"name": "groups", "path": "~/nanoclaw/workspace/groups", "read_only": True},
        {"name": "ipc", "path": "~/nanoclaw/data/ipc", "read_only": False},
        {"name": "memory", "path": "~/nanoclaw/memory/shared", "read_only": False},
    ],
    "packages": [
        "git",
        "curl",
        "jq",
        "ffmpeg",
        "python@3.13",
        "node@22",
        "whisper-cpp",
        "gh",
        "kubernetes-cli",
        "himalaya",
    ],
    # From other taps, in full: Homebrew trusts exactly what is named so.
    "tapped": ["steipete/tap/remindctl"],
    # Into a virtual environment of their own: brew's Python refuses pip.
    "pip_tools": ["edge-tts"],
}

# DECISION internet (none or filtered): filtered is recommended, since npm, pip and the model's API
# need it; `domains` will be that. This version builds `none`: every door is in allowlist.yml.
egress = {"mode": "none"}

decisions = {
    # DECISION agent (direct or in a container): direct. The guest is the sandbox, and a macOS guest
    # cannot run VMs of its own.
    "agent": "direct",
    # DECISION DNS (hosts file or resolver): hosts. A resolver answers for every name, and queries
    # are a way out; a hosts block knows exactly the declared names.
    "dns": "hosts",
    # DECISION rescue bot (host or guest): host. It must outlive the guest that it rescues, and
    # macOS allows two guests at a time.
    "rescue_bot": "host",
}
