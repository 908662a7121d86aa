"""Stands for Virtualization.framework, vmnet and bootpd: a root daemon that runs the guests."""
