"""The real clients against the real process: drivers, servers, scenarios and the Shows.

Everything here talks to Lockhouse (or to a peer) from outside, through the protocols and commands that people use.
Nothing here imports `lockhouse`.
"""
