"""The Mac made of Linux namespaces on which everything is tried and tested."""
