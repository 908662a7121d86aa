"""The lab's Homebrew: the `brew` command, its prefix, its formulae and their stand-ins."""
