"""sshd as macOS ships it: started by launchd for each connection, configured by drop-ins.

Source: reference/macos.md §5.
"""

from lab.keys import KeyPair

from .tree import Tree

CONFIG = """\
# This is the sshd server system-wide configuration file.
# It includes /etc/ssh/sshd_config.d/* first: the first value of a keyword wins.
Include /etc/ssh/sshd_config.d/*

AuthorizedKeysFile	.ssh/authorized_keys
Subsystem	sftp	/usr/libexec/sftp-server
"""
APPLE_CONFIG = """\
# Options set by macOS that differ from the OpenSSH defaults.
UsePAM yes
AcceptEnv LANG LC_*
Include /etc/ssh/crypto.conf
"""
CLIENT_CONFIG = """\
Include /etc/ssh/ssh_config.d/*

Host *
    SendEnv LANG LC_*
"""
# Makes missing host keys at the first connection, like the real one, then becomes sshd.
KEYGEN_WRAPPER = """\
#!/bin/dash
[ -f /etc/ssh/ssh_host_ed25519_key ] || /usr/bin/ssh-keygen -A >/dev/null 2>&1
exec /usr/sbin/sshd -i
"""
JOB = {
    "Label": "com.openssh.sshd",
    "Program": "/usr/libexec/sshd-keygen-wrapper",
    "ProgramArguments": ["sshd-keygen-wrapper"],
    "Sockets": {"Listeners": {"SockServiceName": "ssh", "Bonjour": ["ssh", "sftp-ssh"]}},
    "inetdCompatibility": {"Wait": False, "Instances": 42},
    "StandardErrorPath": "/dev/null",
    "SHAuthorizationRight": "system.preferences",
    "POSIXSpawnType": "Interactive",
}


def write_sshd(tree: Tree) -> None:
    """Write sshd's configuration, its job and the client's configuration."""
    tree.write("/private/etc/ssh/sshd_config", CONFIG)
    tree.write("/private/etc/ssh/sshd_config.d/100-macos.conf", APPLE_CONFIG)
    tree.write("/private/etc/ssh/crypto.conf", "")
    tree.write("/private/etc/ssh/ssh_config", CLIENT_CONFIG)
    tree.make("/private/etc/ssh/ssh_config.d")
    tree.write("/usr/libexec/sshd-keygen-wrapper", KEYGEN_WRAPPER, mode=0o755)
    tree.plist("/System/Library/LaunchDaemons/ssh.plist", JOB)
    # Debian's sshd wants this folder for its unprivileged half.
    tree.make("/private/var/run/sshd")
    tree.make("/private/var/empty", mode=0o555)
    # sshd's built-in PATH is Debian's; PAM hands this one to each session (see PAM["sshd"]).
    tree.write("/System/Lab/environment", "PATH=/usr/bin:/bin:/usr/sbin:/sbin\n")


def write_host_keys(tree: Tree, keys: dict[str, KeyPair]) -> None:
    """Write a machine's host keys, by type."""
    for kind, pair in keys.items():
        tree.write(f"/private/etc/ssh/ssh_host_{kind}_key", pair.private, mode=0o600)
        tree.write(f"/private/etc/ssh/ssh_host_{kind}_key.pub", f"{pair.public}\n")
