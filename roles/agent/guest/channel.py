"""Puts the operator's local channel into a checkout of NanoClaw, before it is built.

    /usr/bin/python3 -I channel.py RELEASE PROFILE [--source DIR]

Runs in the guest as its service user, on its own Python 3.9. Prints {"files": {path: sha256}} with
every file of the checkout that is ours or changed by us. Doing it twice changes nothing. Exits with
1 and a sentence when upstream's source has no place for it: nothing is written then.
"""

import argparse
import hashlib
import json
import os
import re
import sys

SOURCE = "/usr/local/clawkeep/share/channel"


class NoPlaceError(Exception):
    """Upstream's source is not as this profile's; the text says where."""


def registry(text):
    """1.2: the file that imports all channels imports ours, first: no other can keep it waiting."""
    line = "import './local-registered.js';\n"
    return text if line in text else line + text


def index(text):
    """1.1: the host knows WhatsApp alone; ours comes before it, and it only when it is paired.

    An unpaired WhatsApp ends the process or never returns (reference/nanoclaw.md §2.2).
    """
    if "./channels/local.js" in text:
        return text
    text = once(
        r"^(import \{ WhatsAppChannel \} from '\./channels/whatsapp\.js';\n)",
        r"\1import { localChannel } from './channels/local.js';\n",
        text,
    )
    text = once(
        r"^(?P<i> *)(// Create and connect channels)\n",
        r"\g<i>const local = localChannel(channelOpts);\n"
        r"\g<i>channels.push(local);\n"
        r"\g<i>await local.connect();\n"
        r"\g<0>",
        text,
    )
    return once(
        r"^(?P<i> *)await whatsapp\.connect\(\);\n",
        r"\g<i>if (fs.existsSync(path.resolve('store', 'auth', 'creds.json'))) {\n"
        r"\g<i>  await whatsapp.connect();\n"
        r"\g<i>} else {\n"
        r"\g<i>  logger.warn('WhatsApp is not paired, so it is not connected');\n"
        r"\g<i>}\n",
        text,
    )


def once(pattern, replacement, text):
    """Replace what must stand there exactly once."""
    text, count = re.subn(pattern, replacement, text, flags=re.MULTILINE)
    if count != 1:
        raise NoPlaceError("%d places match %s, expected 1" % (count, pattern))
    return text


#: Profile -> files copied to src/channels, and the one file of upstream's that is edited.
PLACES = {
    "v1.1": (("local.ts", "local-groups.ts"), "src/index.ts", index),
    "v1.2": (
        ("local.ts", "local-groups.ts", "local-registered.ts"),
        "src/channels/index.ts",
        registry,
    ),
}


def apply(release, profile, source):
    """Put the channel into `release`; return {path below it: sha256}."""
    if profile not in PLACES:
        raise NoPlaceError(
            "profile %s has no local channel; known: %s" % (profile, ", ".join(sorted(PLACES)))
        )
    names, edited, edit = PLACES[profile]
    wanted = {"src/channels/" + name: read(os.path.join(source, name)) for name in names}
    try:
        wanted[edited] = edit(read(os.path.join(release, edited)))
    except NoPlaceError as error:
        raise NoPlaceError("%s: %s" % (os.path.join(release, edited), error)) from None
    for path, text in wanted.items():
        write(os.path.join(release, path), text)
    return {path: hashlib.sha256(text.encode()).hexdigest() for path, text in wanted.items()}


def read(path):
    """Return a text file."""
    with open(path, encoding="utf-8", newline="") as file:
        return file.read()


def write(path, text):
    """Replace a file at once; leave one alone that is the same."""
    if os.path.exists(path) and read(path) == text:
        return
    new = path + ".clawkeep~"
    with open(new, "w", encoding="utf-8", newline="") as file:
        file.write(text)
    os.chmod(new, 0o644)
    os.replace(new, path)


def main(arguments):
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser()
    parser.add_argument("release")
    parser.add_argument("profile")
    parser.add_argument("--source", default=SOURCE)
    options = parser.parse_args(arguments)
    try:
        files = apply(options.release, options.profile, options.source)
    except (NoPlaceError, OSError) as error:
        print("local channel: %s" % error, file=sys.stderr)
        return 1
    print(json.dumps({"files": files}, sort_keys=True))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
