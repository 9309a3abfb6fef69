"""Measurements beside the peers, in one run and by one load generator. `python -m bench --help` says how."""
