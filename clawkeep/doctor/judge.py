"""Judges: from what a machine answered to one question, how that thing is. They ask nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from clawkeep import tart
from clawkeep.doctor.report import State

OK, BAD, UNKNOWN, NEEDS_MAC = State.OK, State.BAD, State.UNKNOWN, State.NEEDS_MAC

NOT_FOUND = 127
"""The shell's exit status for a command that there is not."""


@dataclass(frozen=True)
class Answer:
    """What the shell lines of one question printed, and their exit status."""

    text: str
    status: int = 0


Found = tuple[State, str]
"""How it is, and the measured value."""

Judge = Callable[[Answer], Found]


def at_least(least: str, least_is_none: State = UNKNOWN) -> Judge:
    """Want a version that is not older than `least`; of several lines the newest counts.

    `least_is_none` is the verdict where no version is printed at all.
    """

    def judge(answer: Answer) -> Found:
        found = re.findall(r"\d+(?:\.\d+)*", answer.text)
        if not found:
            return least_is_none, _first(answer, "no version")
        newest = max(found, key=_key)
        return (OK if _key(newest) >= _key(least) else BAD), newest

    return judge


def says(wanted: str) -> Judge:
    """Want exactly this text; any other text is bad, and none is no answer."""

    def judge(answer: Answer) -> Found:
        text = answer.text.strip()
        if not text:
            return UNKNOWN, "no answer"
        return (OK if text == wanted else BAD), text

    return judge


def succeeds(yes: str, no: str) -> Judge:
    """Want exit status 0; a command that is missing tells nothing."""

    def judge(answer: Answer) -> Found:
        if answer.status == NOT_FOUND:
            return UNKNOWN, "no answer"
        return (BAD, no) if answer.status else (OK, yes)

    return judge


def filevault(answer: Answer) -> Found:
    """Judge `fdesetup status`: while it encrypts or decrypts, the first line still says which."""
    text = _first(answer, "no answer")
    if "FileVault is Off" in text:
        return OK, text
    return (BAD if "FileVault is On" in text else UNKNOWN), text


POWER = {"sleep": "0", "disksleep": "0", "autorestart": "1"}


def power(answer: Answer) -> Found:
    """Judge `pmset -g custom`: on AC power it never sleeps, and starts again after a power cut."""
    mains = re.search(r"^AC Power:\n((?:[ \t].*\n?)*)", answer.text, re.MULTILINE)
    if mains is None:
        return UNKNOWN, "pmset told nothing"
    found = dict(re.findall(r"^\s*(\w+)\s+(\d+)\b", mains[1], re.MULTILINE))
    value = ", ".join(f"{key} {found.get(key, '?')}" for key in POWER)
    if any(found.get(key, wanted) != wanted for key, wanted in POWER.items()):
        return BAD, value
    return (OK if found.keys() >= POWER.keys() else UNKNOWN), value


def login(user: str | None = None) -> Judge:
    """Want automatic login of `user`; None: of who asked.

    Three lines: who asked, `autoLoginUser`, mode and owner of /etc/kcpassword or `none`; the last
    is not there when root could not look.
    """

    def judge(answer: Answer) -> Found:
        asked, chosen, file = ([line.strip() for line in answer.text.splitlines()] + [""] * 3)[:3]
        if not asked or not file:
            return UNKNOWN, "nobody could look at /etc/kcpassword"
        wanted = user or asked
        if chosen != wanted:
            return BAD, f"of {chosen}, not {wanted}" if chosen else "of nobody"
        return (OK if file == "600 root" else BAD), f"of {chosen}, kcpassword: {file}"

    return judge


def softnet_copy(answer: Answer) -> Found:
    """Judge root's copy: two equal hashes, then mode, owner and group of the copy."""
    lines = answer.text.split("\n")
    hashes = [line for line in lines if re.fullmatch("[0-9a-f]{64}", line)]
    mode = next((line for line in lines if re.fullmatch(r"[0-7]+ \S+ \S+", line)), "")
    if answer.status == NOT_FOUND or (mode and len(hashes) < 2):
        return UNKNOWN, mode or "no answer"
    if not mode:
        return BAD, "there is none"
    if hashes[0] != hashes[1]:
        return BAD, "another version than Homebrew's"
    return (OK if mode == "4750 root admin" else BAD), mode


def disk(new_gb: int, kept_gb: int) -> Judge:
    """Want `new_gb` GB free to build the guest, `kept_gb` once it is there.

    First the line of `df -Pk`, then `there` when the guest has its folder.
    """

    def judge(answer: Answer) -> Found:
        line, _, rest = answer.text.strip().partition("\n")
        words = line.split()
        if len(words) < 6 or not words[3].isdigit():
            return UNKNOWN, "df told nothing"
        free = int(words[3]) * 1024 // 10**9
        wanted = kept_gb if rest.strip() == "there" else new_gb
        return (OK if free >= wanted else BAD), f"{free} GB free, {wanted} GB wanted"

    return judge


def pf_enabled(answer: Answer) -> Found:
    """Judge `pfctl -s info`."""
    status = re.search(r"^Status: (\w+)", answer.text, re.MULTILINE)
    if status is None:
        return UNKNOWN, "pfctl told nothing"
    return (OK if status[1] == "Enabled" else BAD), status[1]


def pf_main(answer: Answer) -> Found:
    """Judge `pfctl -sr`: without this line no anchor below is ever evaluated, and all is green.

    `com.apple.internet-sharing` is another anchor. Source: reference/macos.md §1.3.
    """
    if answer.status:
        return UNKNOWN, "pfctl told nothing"
    there = re.search(r'^anchor "com\.apple/\*"', answer.text, re.MULTILINE)
    return (OK, 'anchor "com.apple/*"') if there else (BAD, 'no anchor "com.apple/*"')


def other_vms(guest: str) -> Judge:
    """Judge the processes: macOS runs two macOS guests at most, whoever started them."""

    def judge(answer: Answer) -> Found:
        if answer.status or not answer.text.strip():
            return UNKNOWN, "ps told nothing"
        foreign, others = tart.others(answer.text, guest)
        value = ", ".join([*foreign, *([f"{others} of tart's"] if others else [])])
        return (BAD if foreign or others > 1 else OK), value or "none"

    return judge


def route(answer: Answer) -> Found:
    """Judge `route -n get` of the guest's network: to a bridge, or nowhere in particular yet.

    A VPN or a LAN with the same network takes the guest's packets (reference/tart.md §9).
    """
    found = dict(re.findall(r"^\s*(destination|interface): (\S+)", answer.text, re.MULTILINE))
    if "interface" not in found:
        return UNKNOWN, "no route is known"
    interface = found["interface"]
    if re.fullmatch(r"bridge\d+", interface):
        return OK, interface
    if found.get("destination") == "default":
        return OK, f"no bridge yet; {interface} is the default route, nobody claims the network"
    return BAD, f"{interface} claims {found.get('destination', 'it')}"


def no_auto_prune(answer: Answer) -> Found:
    """Judge the guest's LaunchAgent: tart looks at nothing but whether the variable is there."""
    if not answer.text.strip():
        return UNKNOWN, "the guest has no LaunchAgent yet"
    there = "<key>TART_NO_AUTO_PRUNE</key>" in answer.text
    return (OK, "set") if there else (BAD, "not set for the guest's job")


def metal(answer: Answer) -> Found:
    """Judge `system_profiler SPDisplaysDataType`, which every Mac has."""
    if answer.status == NOT_FOUND:
        return NEEDS_MAC, "no system_profiler here"
    found = re.search(r"Metal(?: Support| Family)?: *(.+)", answer.text)
    if found is None:
        return BAD if answer.text.strip() else UNKNOWN, "no GPU with Metal is shown"
    return OK, found[1].strip()


def sip(must_be_off: bool) -> Judge:
    """Judge `csrutil status`; it has to be off only where a skill writes to the TCC database."""

    def judge(answer: Answer) -> Found:
        status = re.search(r"status: *(\w+)", answer.text)
        if status is None or status[1] not in {"enabled", "disabled"}:
            return UNKNOWN, _first(answer, "no answer")
        return (BAD if must_be_off and status[1] == "enabled" else OK), status[1]

    return judge


def _first(answer: Answer, otherwise: str) -> str:
    return next(iter(answer.text.strip().splitlines()), otherwise)


def _key(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
