"""What runs inside the lab's machines: standard library only."""
