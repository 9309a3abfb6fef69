"""The API of HCP Terraform, as far as state needs it: `cloud {}`, `backend "remote"`, `terraform login`, tfe provider.

Specification: PROTOCOLS 4 and 5; docs/reference/tfe.md lists every endpoint with what is supported and why.
"""
