"""`lockhouse review`: which cloud services a repository uses, who uses each, at what cost, and whether it can go.

The rooms inside run in one direction: files → prefilter → readers (one per language or format) → facts → joining
(links, liveness, components) → verdicts → findings, permissions, cost, removal → reports. Nothing here runs code of
the repository, opens a socket (except `--send`, on request) or prints a secret's value.
"""
