"""What answers on a lab's LAN and internet: real sockets, real TLS, real SSH."""
