"""Stand-in for the `tart` command, 2.35. Source: reference/tart.md §1 and tart itself."""
