"""Pure functions from the model to text: no clock, no network, no files."""
