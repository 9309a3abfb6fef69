"""The first start: administrator, first namespace, `credentials.json`, what to paste, a development certificate.

It runs before the server accepts requests and needs no server. Everything here can be killed at any moment and run
again: what others depend on is made first, and nothing that exists is replaced.
"""

BACKUP_FILES = (
    "master.key",
    "encryption.key",
    "credentials.json",
    "development-certificate.pem",
    "development-key.pem",
)
"""The small files of the data directory that a backup needs, kept apart or with it: without the master key no access
key works, without the encryption key no state opens."""
