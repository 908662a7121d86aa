"""What the guest's connections were: the bridges', the proxy's and pf's records as rows.

Everything in this package is pure: lines in, rows out. `clawkeep.onhost.traffic_*` reads the logs,
keeps the journal and rotates. Standard library only: it runs on the host.
"""
