"""Sign-in through an identity provider: generic OpenID Connect, or WorkOS. What one may do is decided elsewhere."""
