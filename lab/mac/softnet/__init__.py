"""Stand-in for softnet 0.22: its command line, its policy, and the filter that enforces it."""
