"""Clawkeep: turns a Mac mini into a keep for an AI agent."""
