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
    # squid also serves the provisioning window, so it is needed without any egress, too.
    "packages": ["socat", "squid"],
    # Bridges and proxy run as this user: whoever owns Homebrew can replace socat and squid, and
    # must not become root.
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
    # Folders of the host, at "/Volumes/My Shared Files/<name>" in the guest. None of them is where
    # NanoClaw lives: its groups, sessions, IPC and SQLite are on the guest's own disk, in
    # /opt/nanoclaw/state. A share carries no file events, and SQLite's locks do not hold on it.
    #
    #   old-groups  the groups of the installation before, to read from; the guest cannot change it
    #   ipc         files that tools on the host hand to the agent, and back. Not NanoClaw's IPC:
    #               who writes there speaks for a group
    #   memory      what the agent and the host (its rescue bot) both keep up to date
    "mounts": [
        {"name": "old-groups", "path": "~/nanoclaw/workspace/groups", "read_only": True},
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

# DECISION internet (none or filtered): filtered is recommended, since the model's API needs it:
# {"mode": "domains", "profiles": ["agent"]}. `none` is where everybody starts.
#
#   none     nothing at all; every door is in allowlist.yml
#   domains  names, on port 443, through a proxy on the gateway (squid); the guest needs no DNS:
#     domains       "api.example.com" is that name, ".example.com" it and all below it
#     profiles      agent (the model's API, Discord), github, homebrew; npm and pip: the registry
#                   that these tools are set to on the host
#     http          True: port 80 of the same names, too; unencrypted (default False)
#     report_until  "2026-11-22T12:00Z", at most 7 days ahead: until then every name passes, and is
#                   noted in the traffic log. To find out what is needed; it is no protection
#   cidrs    public IPv4 networks, past the proxy; addresses change and are shared, and the guest
#            has no DNS, so prefer domains:
#     cidrs         "140.82.112.0/20", or "1.1.1.1"; /8 at the widest, never a private one
#     ports         TCP; [443] unless told otherwise
#
# Whatever a guest may reach it can also send data to: a name such as github.com is everybody's.
egress = {"mode": "none"}

decisions = {
    # DECISION agent (direct or in a container): direct. The guest is the sandbox, and a macOS guest
    # cannot run VMs of its own.
    "agent": "direct",
    # DECISION DNS (hosts file or resolver): hosts, the simpler one: nothing runs for it. A resolver
    # (dnsmasq on the gateway, without any upstream) knows exactly the same names, and notes in the
    # traffic log what the guest asks for. Neither lets a query out of the keep.
    "dns": "hosts",
    # DECISION rescue bot (host or guest): host. It must outlive the guest that it rescues, and
    # macOS allows two guests at a time.
    "rescue_bot": "host",
    # Where packages come from: the internet, through the provisioning window, or "cache": then the
    # guest is built from what the host keeps alone, and the window stays shut: clawkeep cache fill,
    # docs/how-to/offline.md.
    "install_from": "internet",
}

# The agent that lives in the guest: NanoClaw, built from a full commit, its agents as users of
# their own. None: there is none yet, and the phase `agent` does nothing. It needs a credential for
# the model, and egress (above) that lets it reach one, so nobody starts with it by accident. For
# example:
#
#   agent = {
#       "profile": "v1.2",
#       "env": {"ASSISTANT_NAME": "Andy", "TZ": "Europe/Berlin", "LOG_LEVEL": "info"},
#       "secrets": {"ANTHROPIC_API_KEY": "vaultwarden:anthropic#key"},
#   }
#
#   profile        what is known about a version: v1.2 (1.2.52, recommended), v1.1 (1.1.2), or v1.0
#                  (the fork with Discord). NanoClaw 2 needs container engines: it is refused
#   repository     https:// address, or the path of a mirror in the guest (default: the profile's)
#   commit         all 40 digits; branches and tags move (default: the profile's)
#   skills         changes to it, in order, each pinned:
#                  {"branch": "skill/emacs", "commit": "…", "repository": "https://…"}, or for v1.1
#                  {"path": ".claude/skills/add-discord"}
#   users          how many users agents run as (default 4): the main group has one of its own, and
#                  so has any other group, for ever; more groups than users is an error
#   env            settings that are no secrets, by NanoClaw's names; one that it does not read, or
#                  not from there, is an error
#   secrets        the others, by reference; never the value
#   own_keys       settings that your own fork or skill reads beside these:
#                  {"MY_PORT": ".env", "MY_LEVEL": "process", "MY_TOKEN": "secret"}
#   groups_denied  folders of groups for which no agent may start
#   group_skills   which groups' agents may use which skills (below), with their tokens:
#                  {"main": ["gh", "ha_api"], "*": ["whisper"]}; `main` is the main group, `*` every
#                  group (default: the main group all of them, others none)
#   release_skills which of NanoClaw's own runtime skills agents get (default: all)
#   limits         of one run: cpu_s (14400), files (4096), processes (512), memory_mb (4096)
agent = None

# Where alerts go when something is wrong, and when it is over. Without one, nobody is told.
# docs/how-to/alerts.md says how to get each address; an address is a secret, so it is a reference.
# For example:
#
#   alerts = [
#       {"hook": "discord", "url": "vaultwarden:keep-alerts#url"},
#       {"hook": "ntfy", "url": "sealed:ntfy", "token": "sealed:ntfy-token", "min": "critical"},
#       {"hook": "ping", "url": "sealed:healthchecks"},
#       {"hook": "notification"},
#   ]
#
#   hook        discord (a webhook), ntfy (a topic), ping (a dead man's switch, as healthchecks.io
#               has it: it hears that all is well, and calls you when it hears nothing), or
#               notification (in the session of the Mac's user)
#   min         the least severity that it is told: info, warning (default) or critical
#   repeat      how long until it is told again of what still stands (6h)
#   recovery    whether it is told that it is over (True)
#   per_hour    how many messages it takes (60; five at once). What is more waits
#   every       ping: how often it hears that all is well (1m)
#   name        what it is called, where there are two of a kind
#   plain_http  True: its address may begin with http://, on a network of your own
alerts = []

# What the guest can do beyond its tools: each skill is installed, configured and proved by a
# program that runs in the guest. None is wanted unless it stands here; `clawkeep skills --known`
# lists them, docs/how-to/skills.md says what each needs. A skill whose door or egress is closed is
# refused, with the line that opens it. Secrets are references, as above. For example:
#
#   skills = {
#       "ha_api": {"token": "vaultwarden:home-assistant#token"},
#       "kubectl": {"token": "sealed:kubernetes-agent"},
#       "truenas": {"user": "agent", "key": "sealed:truenas-key"},
#       "gh": {"user": "my-bot", "token": "sealed:github"},
#       "himalaya": {"email": "me@example.com", "password": "sealed:mail", "imap": "imap"},
#       "whisper": {"model": "~/models/ggml-base.en.bin", "sha256": "…"},
#       "host_whisper": {"model": "~/models/ggml-large-v3.bin", "sha256": "…"},
#       "agent_clis": {"claude": "2.1.330"},
#       "edge_tts": {"version": "7.3.1"},
#       "say": {}, "calendar": {}, "reminders": {},
#   }
skills = {}

# Backups: of the agent's state and the host's own files, encrypted, each day, and brought back into
# a scratch folder every few days to see that they can be (docs/how-to/backup.md). None: there are
# none. For example:
#
#   backup = {
#       "key": "vaultwarden:clawkeep-backup#key",
#       "folder": "/Volumes/Backup/clawkeep",
#   }
#
#   key          what encrypts them, by reference: `clawkeep backup key new FILE` makes one, a
#                passphrase of 16 characters and more will do, too. Without it nothing can be read
#   folder       of the host: on another disk, as a backup beside the guest dies with it
#   server       instead of a folder, one behind SSH:
#                {"service": "nas", "user": "backup", "path": "/pool/clawkeep", "key": "sealed:…"};
#                the service is one of the allowlist's, of kind ssh
#   at           time of day on the host's clock ("03:15")
#   keep         {"last": 1, "daily": 7, "weekly": 4, "monthly": 6}
#   agent, host  what is backed up (both True)
#   guest_paths  more folders of the guest, such as "~/.config/himalaya"; what is in them, with
#                secrets
#   secrets      True: .env, credentials and the host's SSH keys, too (they come from references)
#   logs         True: logs, too
#   test_days    days between two restore tests (7)
#   max_gb       more than that is an error: a guest can fill a disk (100)
backup = None

# Snapshots: stopped, consistent copies of the whole guest on the host's own disk, one each day, one
# verified by booting it every few days (docs/how-to/snapshots.md). None: only those that you make
# (`clawkeep snapshot create`). For example:
#
#   snapshots = {"at": "04:30"}
#
#   at           time of day on the host's clock ("04:30"): the guest is down for about as long as
#                it takes to shut down and to boot
#   keep         how many (7); beside them the newest that is verified
#   verify_days  days between two that are verified by boot (7)
#   free_gb      decimal GB that are to stay free on the host's disk (20)
#   drain_s      seconds that the agent gets to answer what it is working on (60)
snapshots = None
