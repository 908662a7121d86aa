"""Stand-in for tart-guest-agent: the daemon and the agent in a guest, and who calls them."""
