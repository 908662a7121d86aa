"""A small launchd: process 1 of a lab machine, with launchctl and what stops a Mac."""
