"""Who is calling: the master key, access keys, API tokens and temporary credentials, and the one Authenticator.

Proof is checked here and nowhere else; what the proven caller may do is decided in `core.principals`. No secret is
stored: the secret of an access key is derived from the master key, a token is kept as its SHA-256, and a temporary
credential carries all that is known of it under a MAC. Comparisons take constant time, and an unknown id costs as much
as a wrong secret. Sources: RELIABILITY section 3 ("API tokens", "SigV4 secrets"); AWS STS API Reference.
"""
