"""Attacks of a guest's root: what it sends, where that would be seen, and who holds it."""
