"""Storage: implementations of the ports in `core.ports`. They keep what they are given and decide nothing."""
