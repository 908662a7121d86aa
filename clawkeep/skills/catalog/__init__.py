"""The skills, one module each: every one has a `SKILL`, and is called as its file is."""
