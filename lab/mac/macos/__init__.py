"""Stand-ins for the commands of a Mac that a provisioner uses; one module per command or family."""
