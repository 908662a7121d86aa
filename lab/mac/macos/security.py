"""security: keychains from the command line, with their refusals over SSH.

A status is the OSStatus modulo 256: -25308 "User interaction is not allowed." 36, -25300 (no such
item) 44, -25299 (already there) 45, -25296 (keychain there) 48, -25294 (no such keychain) 50,
-25293 (wrong password) 51. Source: reference/macos.md §10; security(1).
"""

import getopt
import sys
from collections.abc import Callable

from ..calls import record
from . import generic_passwords, keychains, paths
from .console import complain, is_root, read_secret

READS = {
    "find-generic-password",
    "find-internet-password",
    "find-certificate",
    "show-keychain-info",
    "dump-keychain",
}
Options = dict[str, str]


def main(argv: list[str]) -> int:
    """Run `security COMMAND [options] [keychain]`."""
    words = [word for word in argv[1:] if word not in {"-q", "-v"}]
    command = words[0] if words else ""
    sets = command in SETTINGS and "-s" in words
    reads = command in READS or (command in SETTINGS and not sets)
    record(argv, mutates=not reads)
    action = COMMANDS.get(command)
    if action is None:
        complain(f'security: unknown command "{command}"' if command else "Usage: security …")
        return 1 if command else 2
    try:
        return action(words[1:])
    except getopt.GetoptError as error:
        complain(f"security: {error}")
        return 2
    except PermissionError:
        return keychains.fail("SecKeychain", 100)


def create_keychain(words: list[str]) -> int:
    """create-keychain [-p PASSWORD] NAME."""
    options, names = _parse(words, "hPp:")
    chain = keychains.named(names[0])
    if chain.file.exists():
        return keychains.fail(f"SecKeychainCreate {names[0]}", 48)
    password = options.get("-p")
    chain.save({"password": "", "items": []})
    chain.set_password(read_secret("password for new keychain: ") if password is None else password)
    chain.set_unlocked(True)
    return 0


def delete_keychain(words: list[str]) -> int:
    """delete-keychain NAME."""
    chain = keychains.named(words[0] if words else None)
    if not chain.file.exists():
        return keychains.fail(f"SecKeychainDelete {chain.path}", 50)
    chain.set_unlocked(False)
    chain.file.unlink()
    return 0


def unlock_keychain(words: list[str]) -> int:
    """unlock-keychain [-p PASSWORD] [NAME]; without -p the password is asked for."""
    options, names = _parse(words, "hup:")
    chain = keychains.named(names[0] if names else None)
    if not chain.exists():
        return keychains.fail(f"SecKeychainUnlock {chain.path}", 50)
    password = options.get("-p")
    if password is None:
        password = read_secret(f"password to unlock {chain.path}: ")
    if not chain.opens_with(password):
        return keychains.fail(f"SecKeychainUnlock {chain.path}", 51)
    chain.set_unlocked(True)
    return 0


def lock_keychain(words: list[str]) -> int:
    """lock-keychain [-a | NAME]."""
    _, names = _parse(words, "ah")
    chain = keychains.named(names[0] if names else None)
    if not chain.exists():
        return keychains.fail(f"SecKeychainLock {chain.path}", 50)
    chain.set_unlocked(False)
    return 0


def show_keychain_info(words: list[str]) -> int:
    """show-keychain-info [NAME]: also the way to ask whether it is unlocked."""
    chain = keychains.named(words[0] if words else None)
    if not chain.exists():
        return keychains.fail(f"SecKeychainCopySettings {chain.path}", 50)
    if not chain.unlocked():
        return keychains.fail(f"SecKeychainCopySettings {chain.path}", 36)
    settings = chain.data().get("settings", {})
    sleep = "lock-on-sleep " if settings.get("sleep") else ""
    timeout = f"timeout={settings['timeout']}s" if settings.get("timeout") else "no-timeout"
    complain(f'Keychain "{chain.path}" {sleep}{timeout}')
    return 0


def set_keychain_settings(words: list[str]) -> int:
    """set-keychain-settings [-lu] [-t SECONDS] [NAME]."""
    options, names = _parse(words, "hlut:")
    chain = keychains.named(names[0] if names else None)
    if not chain.unlocked():
        return keychains.fail(f"SecKeychainSetSettings {chain.path}", 36)
    settings = {"sleep": "-l" in options, "timeout": options.get("-t")}
    chain.save({**chain.data(), "settings": settings})
    return 0


def set_keychain_password(words: list[str]) -> int:
    """set-keychain-password [-o OLD] [-p NEW] [NAME]."""
    options, names = _parse(words, "ho:p:")
    chain = keychains.named(names[0] if names else None)
    old = options["-o"] if "-o" in options else read_secret("Old Password: ")
    if not chain.opens_with(old):
        return keychains.fail("error: changing password", 51)
    chain.set_password(options["-p"] if "-p" in options else read_secret("New Password: "))
    return 0


def list_keychains(words: list[str]) -> int:
    """list-keychains [-d DOMAIN] [-s NAME…]."""
    options, names = _parse(words, "hd:s")
    if "-s" in options:
        keychains.set_setting("list", [keychains.named(name).path for name in names])
        return 0
    for chain in keychains.search_list():
        print(f'    "{chain.path}"')
    return 0


def default_keychain(words: list[str]) -> int:
    """default-keychain | login-keychain [-d DOMAIN] [-s NAME]."""
    options, names = _parse(words, "hd:s")
    if "-s" in options:
        chain = keychains.named(names[0])
        if not chain.exists():
            return keychains.fail(f"SecKeychainSetDefault {chain.path}", 50)
        keychains.set_setting("default", chain.path)
        return 0
    print(f'    "{keychains.default().path}"')
    return 0


def find_certificate(words: list[str]) -> int:
    """find-certificate -a -p: the roots that everybody trusts, as PEM."""
    if "-p" in words:
        sys.stdout.write(paths.at("/private/etc/ssl/cert.pem").read_text(encoding="utf-8"))
    return 0


def add_trusted_cert(_words: list[str]) -> int:
    """add-trusted-cert: refused, as nobody can answer its dialog over SSH."""
    who = "" if is_root() else "; and not root"
    complain(
        "SecTrustSettingsSetTrustSettings: The authorization was denied since no user "
        f"interaction was possible.{who}"
    )
    return 1


def _parse(words: list[str], letters: str) -> tuple[Options, list[str]]:
    pairs, names = getopt.getopt(words, letters)
    return dict(pairs), names


SETTINGS = {"list-keychains", "default-keychain", "login-keychain"}
COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "create-keychain": create_keychain,
    "delete-keychain": delete_keychain,
    "unlock-keychain": unlock_keychain,
    "lock-keychain": lock_keychain,
    "show-keychain-info": show_keychain_info,
    "set-keychain-settings": set_keychain_settings,
    "set-keychain-password": set_keychain_password,
    "add-generic-password": generic_passwords.add_generic_password,
    "find-generic-password": generic_passwords.find_generic_password,
    "delete-generic-password": generic_passwords.delete_generic_password,
    "list-keychains": list_keychains,
    "default-keychain": default_keychain,
    "login-keychain": default_keychain,
    "find-certificate": find_certificate,
    "add-trusted-cert": add_trusted_cert,
}
