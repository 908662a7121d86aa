"""The canary: what is open and what is closed, seen in packets from inside the guest.

Rules that are loaded prove nothing: with the main ruleset flushed, every inspection stays green
while everything passes (reference/macos.md §1.3). So probes run in the guest, and the host adds
what a guest cannot forge: pf's counters, and decoys that nobody may reach.

Standard library only: all but `inside` runs on the host, `inside` runs in the guest.
"""
