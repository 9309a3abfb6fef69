"""Lockhouse keeps Terraform and OpenTofu states and lets one run through at a time."""

__version__ = "0.1.0"
