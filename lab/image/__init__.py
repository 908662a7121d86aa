"""The images of the lab's machines, built at each start: a bare Mac, its host, a guest."""
