"""Snapshots of the guest: stopped, consistent clones that were seen to boot.

`names`, `records`, `rotation` and `schedule` are pure; `work` does what there is to do through two
protocols, so that it can be killed at each step in a test. Standard library only: it runs on the
host.
"""
