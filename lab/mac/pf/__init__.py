"""The `pfctl` stand-in: rules parsed and printed as on a Mac, enforced on packets by nftables."""
