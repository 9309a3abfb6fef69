"""Stories to watch in a terminal, played with real Terraform: `python -m demo`."""
