"""pyinfra connectors, and all that touches the private parts of pyinfra and paramiko."""
