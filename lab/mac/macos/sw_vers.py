"""sw_vers, csrutil, and the other commands that only state what this Mac is.

SIP is off in the base guest image and on in the host (Source: reference/tart.md §5, macos.md §6);
FileVault is off in both, as auto-login needs.
"""

import os

from ..calls import record
from . import machine, paths
from .console import complain, is_root

SIP = "/private/var/db/lab-sip"


def main(argv: list[str]) -> int:
    """Run the command that argv[0] names."""
    name, words = os.path.basename(argv[0]), argv[1:]
    record(argv, mutates=_mutates(name, words))
    return COMMANDS[name](words)


def _mutates(name: str, words: list[str]) -> bool:
    changing = {
        "csrutil": {"enable", "disable", "clear"},
        "fdesetup": {"enable", "disable", "authrestart", "add", "remove"},
        "spctl": {"--master-disable", "--global-disable", "--master-enable", "--add"},
        "xcode-select": {"--install", "--switch", "-s", "--reset", "-r"},
    }
    return bool(changing.get(name, set()) & set(words))


def sw_vers(words: list[str]) -> int:
    """`sw_vers [-productName|-productVersion|-buildVersion]` (one or two dashes)."""
    facts = {
        "productName": ("ProductName:", "macOS"),
        "productVersion": ("ProductVersion:", machine.PRODUCT_VERSION),
        "buildVersion": ("BuildVersion:", machine.BUILD_VERSION),
    }
    if not words:
        for label, value in facts.values():
            print(f"{label}\t{chr(9) if len(label) < 14 else ''}{value}")
        return 0
    key = words[0].lstrip("-")
    if key not in facts:
        complain("Usage: sw_vers [-productName|-productVersion|-productVersionExtra|-buildVersion]")
        return 1
    print(facts[key][1])
    return 0


def csrutil(words: list[str]) -> int:
    """`csrutil status`; changing it works from Recovery only."""
    match words:
        case ["status"]:
            marker = paths.at(SIP)
            state = marker.read_text(encoding="ascii").strip() if marker.exists() else None
            state = state or ("disabled" if machine.is_guest() else "enabled")
            print(f"System Integrity Protection status: {state}.")
            return 0
        case ["enable" | "disable" | "clear", *_]:
            complain("csrutil: This tool needs to be executed from Recovery OS.")
            return 1
    print("usage: csrutil <command>")
    return 1


def fdesetup(words: list[str]) -> int:
    """`fdesetup status|isactive`."""
    match words:
        case ["status", *_]:
            print("FileVault is Off.")
            return 0
        case ["isactive", *_]:
            print("false")
            return 1
        case ["authrestart" | "list", *_]:
            complain("FileVault is not enabled.")
            return 11
    complain("Error: This command is not simulated in the lab.")
    return 1


def spctl(words: list[str]) -> int:
    """`spctl --status`: Gatekeeper is off in the image, on in the host."""
    if "--status" in words:
        print("assessments disabled" if machine.is_guest() else "assessments enabled")
    return 0


def xcode_select(words: list[str]) -> int:
    """`xcode-select -p`: the Command Line Tools, present in host and image."""
    if words and words[0] in {"-p", "--print-path"}:
        print("/Library/Developer/CommandLineTools")
        return 0
    if words and words[0] == "--install":
        complain(
            "xcode-select: note: Command line tools are already installed. "
            'Use "Software Update" in System Settings or the softwareupdate command line interface '
            "to install updates"
        )
        return 1
    if words and words[0] in {"-v", "--version"}:
        print("xcode-select version 2409.")
        return 0
    return 0 if is_root() else 1


COMMANDS = {
    "sw_vers": sw_vers,
    "csrutil": csrutil,
    "fdesetup": fdesetup,
    "spctl": spctl,
    "xcode-select": xcode_select,
}
