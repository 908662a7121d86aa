"""Values for the hosts (the Macs that run guests), beside those in all.py."""
