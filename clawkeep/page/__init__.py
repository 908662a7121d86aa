"""The status page: what the verbs say, as one page for a browser on the same machine.

Read-only, without any script. Whatever it shows may come from a guest: nothing becomes markup that
did not come from this package.
"""
