"""Values for the guests (the macOS VMs), beside those in all.py."""
