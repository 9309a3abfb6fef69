"""Importing into a server: from an S3 bucket with its history, from a directory of states, from an exported tree."""
