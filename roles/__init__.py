"""What pyinfra does to a host and its guest, one package per phase."""
