"""security's items: generic passwords, found by account and service in one or several keychains.

Source: security(1); reference/macos.md §10.
"""

from typing import Any

from . import keychains
from .console import complain, read_secret
from .keychains import fail


def add_generic_password(words: list[str]) -> int:
    """add-generic-password -a ACCOUNT -s SERVICE [-w [PASSWORD]] [-U] [-A] [-T APP] [NAME]."""
    item, names = _item(words)
    chain = keychains.named(names[0] if names else None)
    if not chain.exists():
        return fail("SecKeychainItemCreateFromContent (<default>)", 50)
    if not chain.unlocked():
        return fail("SecKeychainItemCreateFromContent (<default>)", 36)
    data = chain.data()
    found = _find(data, item)
    if found is not None and not item["-U"]:
        return fail("SecKeychainItemCreateFromContent (<default>)", 45)
    if item["secret"] is None:
        item["secret"] = read_secret("password data for new item: ")
    kept = [other for other in data["items"] if other is not found]
    entry = {key: item[key] for key in ("account", "service", "label", "secret")}
    chain.save({**data, "items": [*kept, entry]})
    return 0


def find_generic_password(words: list[str]) -> int:
    """find-generic-password [-a ACCOUNT] [-s SERVICE] [-w | -g] [NAME…]."""
    item, names = _item(words)
    chains = [keychains.named(name) for name in names] or keychains.search_list()
    for chain in chains:
        found = _find(chain.data(), item)
        if found is None:
            continue
        if not (item["-w"] or item["-g"]):
            print(_attributes(chain.path, found))
            return 0
        if not chain.unlocked():
            return fail("SecKeychainItemCopyContent", 36)
        if item["-w"]:
            print(found["secret"])
        else:
            complain(f'password: "{found["secret"]}"')
            print(_attributes(chain.path, found))
        return 0
    return fail("SecKeychainSearchCopyNext", 44)


def delete_generic_password(words: list[str]) -> int:
    """delete-generic-password [-a ACCOUNT] [-s SERVICE] [NAME]."""
    item, names = _item(words)
    for chain in [keychains.named(name) for name in names] or keychains.search_list():
        data = chain.data()
        found = _find(data, item)
        if found is not None:
            chain.save({**data, "items": [other for other in data["items"] if other != found]})
            complain("password has been deleted.")
            return 0
    return fail("SecKeychainSearchCopyNext", 44)


def _item(words: list[str]) -> tuple[dict[str, Any], list[str]]:
    """Parse the options of the item commands, where -w may come without a value if it is last."""
    item: dict[str, Any] = {"account": None, "service": None, "label": None, "secret": None}
    item |= {"-U": False, "-w": False, "-g": False}
    keys = {"-a": "account", "-s": "service", "-l": "label"}
    names: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word in keys and rest:
            item[keys[word]] = rest.pop(0)
        elif word == "-w":
            item["-w"] = True
            if rest and not rest[0].startswith("-"):
                item["secret"] = rest.pop(0)
        elif word in {"-U", "-g", "-A"}:
            item[word] = True
        elif word.startswith("-") and rest:
            rest.pop(0)
        else:
            names.append(word)
    if item["secret"] is not None and item["secret"].endswith((".keychain", ".keychain-db")):
        names.append(item["secret"])
        item["secret"] = None
    item["label"] = item["label"] or item["service"]
    return item, names


def _find(data: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any] | None:
    for item in data["items"]:
        if all(wanted[key] in {None, item[key]} for key in ("account", "service")):
            found: dict[str, Any] = item
            return found
    return None


def _attributes(path: str, item: dict[str, Any]) -> str:
    return (
        f'keychain: "{path}"\nversion: 512\nclass: "genp"\nattributes:\n'
        f'    0x00000007 <blob>="{item["label"]}"\n'
        f'    "acct"<blob>="{item["account"]}"\n    "svce"<blob>="{item["service"]}"'
    )
