"""The running agent, as its operator sees it: how it is, what it answers, what it writes.

Nothing that the guest says is believed further than it can be read: texts are made printable,
numbers and lists are checked, and what is not understood is unknown, which is never well.
"""
