"""The edge: sockets become values of `protocols.web`, with limits and deadlines. It knows no protocol."""
