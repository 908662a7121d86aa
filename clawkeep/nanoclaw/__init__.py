"""What is known about NanoClaw, by version; pure."""
