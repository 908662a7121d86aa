"""Every prerequisite and known trap of a real Mac, as a row with the step that fixes it."""
