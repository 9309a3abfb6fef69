"""The tables, as numbered steps that are never edited once released.

`schema_version` holds the number of the last step taken. A database with a higher number was written by a newer
Lockhouse: it is refused untouched. Names and keys compare as bytes: SQLite's default collation does, PostgreSQL needs
`COLLATE "C"`; identity columns, BLOB and WITHOUT ROWID are the other three places where the dialects differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lockhouse.errors import StorageUnavailable
from lockhouse.storage.sql.records import SPAN

Execute = Callable[[str, tuple[object, ...]], list[tuple[object, ...]]]

_PLACED = (
    "INSERT INTO placed_versions (place, state_id, seq, blob, record) "  # noqa: S608
    f"SELECT state_id * {SPAN} + seq, state_id, seq, blob, record FROM versions ORDER BY state_id, seq"
)
SQLITE: Sequence[Sequence[str]] = (
    (
        "CREATE TABLE namespaces (name TEXT PRIMARY KEY NOT NULL, record BLOB NOT NULL) WITHOUT ROWID",
        """CREATE TABLE documents (
            namespace TEXT NOT NULL, kind TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (namespace, kind)
        ) WITHOUT ROWID""",
        """CREATE TABLE states (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            namespace TEXT NOT NULL,
            key TEXT NOT NULL,
            current INTEGER NOT NULL DEFAULT 0,
            live INTEGER NOT NULL DEFAULT 0,
            next_seq INTEGER NOT NULL DEFAULT 1,
            versions INTEGER NOT NULL DEFAULT 0,
            is_state INTEGER NOT NULL DEFAULT 0,
            require_lock INTEGER NOT NULL DEFAULT 0,
            highest_serial INTEGER NOT NULL DEFAULT 0,
            parked INTEGER NOT NULL DEFAULT 0,
            share_ssec INTEGER NOT NULL DEFAULT 0
        )""",
        "CREATE UNIQUE INDEX states_address ON states (namespace, key)",
        "CREATE INDEX states_live ON states (namespace, key) WHERE live = 1",
        """CREATE TABLE versions (
            state_id INTEGER NOT NULL, seq INTEGER NOT NULL, blob TEXT NOT NULL DEFAULT '', record BLOB NOT NULL,
            PRIMARY KEY (state_id, seq)
        ) WITHOUT ROWID""",
        "CREATE INDEX versions_blob ON versions (blob) WHERE blob <> ''",
        """CREATE TABLE bodies (
            state_id INTEGER NOT NULL, seq INTEGER NOT NULL, packed BLOB NOT NULL, PRIMARY KEY (state_id, seq)
        )""",
        """CREATE TABLE locks (
            state_id INTEGER PRIMARY KEY NOT NULL, namespace TEXT NOT NULL, key TEXT NOT NULL,
            epoch INTEGER NOT NULL, held INTEGER NOT NULL, record BLOB NOT NULL
        )""",
        "CREATE INDEX locks_held ON locks (namespace, key) WHERE held = 1",
        # One sequence for all addresses: events are appended side by side, so a group of commands shares their pages.
        "CREATE TABLE lock_events (seq INTEGER PRIMARY KEY, state_id INTEGER NOT NULL, record BLOB NOT NULL)",
        "CREATE INDEX lock_events_state ON lock_events (state_id, seq)",
        """CREATE TABLE parked (
            id TEXT PRIMARY KEY NOT NULL, namespace TEXT NOT NULL, key TEXT NOT NULL,
            blob TEXT NOT NULL DEFAULT '', record BLOB NOT NULL, packed BLOB
        )""",
        "CREATE INDEX parked_address ON parked (namespace, key, id)",
        "CREATE INDEX parked_blob ON parked (blob) WHERE blob <> ''",
        """CREATE TABLE uploads (
            id TEXT PRIMARY KEY NOT NULL, namespace TEXT NOT NULL, key TEXT NOT NULL, record BLOB NOT NULL
        )""",
        "CREATE INDEX uploads_address ON uploads (namespace, key, id)",
        """CREATE TABLE parts (
            upload_id TEXT NOT NULL, number INTEGER NOT NULL, blob TEXT NOT NULL DEFAULT '', record BLOB NOT NULL,
            PRIMARY KEY (upload_id, number)
        )""",
        "CREATE INDEX parts_blob ON parts (blob) WHERE blob <> ''",
        """CREATE TABLE principals (
            id TEXT PRIMARY KEY NOT NULL, name TEXT NOT NULL, revoked INTEGER NOT NULL, record BLOB NOT NULL
        ) WITHOUT ROWID""",
        "CREATE INDEX principals_name ON principals (name, id) WHERE revoked = 0",
        """CREATE TABLE credentials (
            id TEXT PRIMARY KEY NOT NULL, principal TEXT NOT NULL, record BLOB NOT NULL
        ) WITHOUT ROWID""",
        "CREATE INDEX credentials_principal ON credentials (principal, id)",
        "CREATE TABLE lock_tables (name TEXT PRIMARY KEY NOT NULL, body BLOB NOT NULL) WITHOUT ROWID",
        """CREATE TABLE items (
            table_name TEXT NOT NULL, hash_key BLOB NOT NULL, range_key BLOB NOT NULL,
            expires_at REAL NOT NULL DEFAULT 0, body BLOB NOT NULL,
            PRIMARY KEY (table_name, hash_key, range_key)
        ) WITHOUT ROWID""",
        "CREATE INDEX items_expiry ON items (expires_at) WHERE expires_at > 0",
    ),
    (
        """CREATE TABLE workspaces (
            id TEXT PRIMARY KEY NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, key TEXT NOT NULL,
            record BLOB NOT NULL
        )""",
        "CREATE UNIQUE INDEX workspaces_name ON workspaces (namespace, name)",
        "CREATE UNIQUE INDEX workspaces_address ON workspaces (namespace, key)",
        """CREATE TABLE projects (
            id TEXT PRIMARY KEY NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, record BLOB NOT NULL
        )""",
        "CREATE UNIQUE INDEX projects_name ON projects (namespace, name)",
        """CREATE TABLE state_uploads (
            id TEXT PRIMARY KEY NOT NULL, namespace TEXT NOT NULL, key TEXT NOT NULL, pending INTEGER NOT NULL,
            record BLOB NOT NULL
        )""",
        "CREATE INDEX state_uploads_pending ON state_uploads (namespace, key, id) WHERE pending = 1",
    ),
    (
        # AUTOINCREMENT: the number of a deleted review is not given again, so a page's `before` stays true.
        """CREATE TABLE reviews (
            seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, root TEXT NOT NULL, principal TEXT NOT NULL,
            record BLOB NOT NULL
        )""",
        "CREATE UNIQUE INDEX reviews_id ON reviews (id)",
        "CREATE INDEX reviews_root ON reviews (root, seq)",
        "CREATE INDEX reviews_principal ON reviews (principal, root, seq)",
        "CREATE TABLE review_bodies (id TEXT PRIMARY KEY NOT NULL, body BLOB NOT NULL)",
    ),
    (
        """CREATE TABLE principal_links (
            issuer TEXT NOT NULL, subject TEXT NOT NULL, principal TEXT NOT NULL, PRIMARY KEY (issuer, subject)
        ) WITHOUT ROWID""",
        "CREATE INDEX principal_links_principal ON principal_links (principal)",
        """CREATE TABLE memberships (
            team TEXT NOT NULL, member TEXT NOT NULL, record BLOB NOT NULL, PRIMARY KEY (team, member)
        ) WITHOUT ROWID""",
        "CREATE INDEX memberships_member ON memberships (member, team)",
        "CREATE TABLE credential_uses (credential TEXT PRIMARY KEY NOT NULL, at REAL NOT NULL) WITHOUT ROWID",
    ),
    (
        # The bytes of a version in the trash stay in `bodies`, under the same state and number.
        """CREATE TABLE trash (
            state_id INTEGER NOT NULL, seq INTEGER NOT NULL, at REAL NOT NULL, blob TEXT NOT NULL DEFAULT '',
            record BLOB NOT NULL, PRIMARY KEY (state_id, seq)
        )""",
        "CREATE INDEX trash_at ON trash (at, state_id, seq)",
        "CREATE INDEX trash_blob ON trash (blob) WHERE blob <> ''",
    ),
    ("CREATE TABLE notices (name TEXT PRIMARY KEY NOT NULL, body BLOB NOT NULL)",),
    (
        # AUTOINCREMENT: an id is not given again after its entry was sealed.
        "CREATE TABLE audit_entries (id INTEGER PRIMARY KEY AUTOINCREMENT, entry BLOB NOT NULL)",
        "CREATE TABLE audit_segments (first_entry INTEGER PRIMARY KEY NOT NULL, record BLOB NOT NULL)",
    ),
    (
        # The workspace name that a key suggests while its state has no workspace; '' when it has one or suggests none.
        # NULL: not known yet, for rows that were made before or by an older replica (`settle_names`).
        "ALTER TABLE states ADD COLUMN awaits TEXT",
        "CREATE INDEX states_awaits ON states (namespace, awaits, key) WHERE is_state = 1 AND awaits <> ''",
        "CREATE INDEX states_unnamed ON states (namespace, key) WHERE is_state = 1 AND coalesce(awaits, 'x') <> ''",
        "CREATE INDEX states_unsettled ON states (namespace, key) WHERE awaits IS NULL",
    ),
    (
        """CREATE TABLE sessions (
            id TEXT PRIMARY KEY NOT NULL, principal TEXT NOT NULL, ends REAL NOT NULL, record BLOB NOT NULL
        ) WITHOUT ROWID""",
        "CREATE INDEX sessions_principal ON sessions (principal, id)",
        "CREATE INDEX sessions_ends ON sessions (ends)",
    ),
    (
        # Ids rise with time, so new keys share pages. A key is apart from the body that it opens: keys are wrapped anew
        # and destroyed without touching bodies.
        "CREATE TABLE data_keys (id BLOB PRIMARY KEY NOT NULL, kek TEXT NOT NULL, wrapped BLOB NOT NULL) WITHOUT ROWID",
        "CREATE TABLE key_records (id TEXT PRIMARY KEY NOT NULL, at REAL NOT NULL, record BLOB NOT NULL) WITHOUT ROWID",
        # Bodies too large for rows where there is no other place for them. `pieces` is -1 until the blob is finished.
        """CREATE TABLE blobs (
            name TEXT PRIMARY KEY NOT NULL, at REAL NOT NULL, size INTEGER NOT NULL, pieces INTEGER NOT NULL
        ) WITHOUT ROWID""",
        """CREATE TABLE blob_pieces (
            name TEXT NOT NULL, number INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (name, number)
        )""",
    ),
    (
        # Which versions (in the history or the trash) are packed against which.
        """CREATE TABLE packs (
            state_id INTEGER NOT NULL, seq INTEGER NOT NULL, base INTEGER NOT NULL, PRIMARY KEY (state_id, seq)
        ) WITHOUT ROWID""",
        "CREATE INDEX packs_base ON packs (state_id, base)",
        # What the counters of a state were when its history was last packed.
        """CREATE TABLE packing (
            state_id INTEGER PRIMARY KEY NOT NULL, next_seq INTEGER NOT NULL, versions INTEGER NOT NULL
        )""",
        # Blobs that a packed version has left, until nobody can be about to open them.
        "CREATE TABLE retired (blob TEXT PRIMARY KEY NOT NULL, at REAL NOT NULL) WITHOUT ROWID",
    ),
    (
        # What replicas know of each other (`core.queues`): nothing here outlives them, and nothing is decided by it.
        """CREATE TABLE waiters (
            seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, namespace TEXT NOT NULL, key TEXT NOT NULL,
            replica TEXT NOT NULL, record BLOB NOT NULL
        )""",
        "CREATE UNIQUE INDEX waiters_id ON waiters (id)",
        "CREATE INDEX waiters_address ON waiters (namespace, key, seq)",
        "CREATE INDEX waiters_replica ON waiters (replica)",
        "CREATE TABLE replicas (id TEXT PRIMARY KEY NOT NULL, at REAL NOT NULL)",
        """CREATE TABLE recollections (
            credential TEXT NOT NULL, namespace TEXT NOT NULL, key TEXT NOT NULL, at REAL NOT NULL,
            record BLOB NOT NULL, PRIMARY KEY (credential, namespace, key)
        )""",
        "CREATE INDEX recollections_at ON recollections (at)",
    ),
    (
        """CREATE TABLE webhooks (
            id TEXT PRIMARY KEY NOT NULL, name TEXT NOT NULL, record BLOB NOT NULL, progress BLOB NOT NULL
        )""",
        "CREATE UNIQUE INDEX webhooks_name ON webhooks (name)",
        """CREATE TABLE readers (
            namespace TEXT NOT NULL, key TEXT NOT NULL, principal TEXT NOT NULL, PRIMARY KEY (namespace, key, principal)
        ) WITHOUT ROWID""",
    ),
    (
        """CREATE TABLE maintenances (
            namespace TEXT NOT NULL, prefix TEXT NOT NULL, exact INTEGER NOT NULL, record BLOB NOT NULL,
            PRIMARY KEY (namespace, prefix, exact)
        ) WITHOUT ROWID""",
    ),
    (
        # One number says which version of which state (`records.place_of`). SQLite finds a row by such a number in a
        # tree three pages deep; by two columns, with the records in the inner pages, it took seven for a million.
        """CREATE TABLE placed_versions (
            place INTEGER PRIMARY KEY NOT NULL, state_id INTEGER NOT NULL, seq INTEGER NOT NULL,
            blob TEXT NOT NULL DEFAULT '', record BLOB NOT NULL
        )""",
        _PLACED,
        "DROP TABLE versions",
        "ALTER TABLE placed_versions RENAME TO versions",
        "CREATE INDEX versions_blob ON versions (blob) WHERE blob <> ''",
        """CREATE TABLE workspace_blocks (
            namespace TEXT NOT NULL, first TEXT NOT NULL, names INTEGER NOT NULL, PRIMARY KEY (namespace, first)
        ) WITHOUT ROWID""",
    ),
)


def migrate(execute: Execute, steps: Sequence[Sequence[str]], where: str = "this data") -> int:
    """Take the steps that are missing, within the caller's transaction; answers the number of the last one.

    StorageUnavailable (`storage.unavailable`) when the database, which people know as `where`, is newer than this
    program.
    """
    execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)", ())
    rows = execute("SELECT version FROM schema_version", ())
    have = rows[0][0] if rows else 0
    if not isinstance(have, int) or have > len(steps):
        raise StorageUnavailable(
            f"cannot use {where}: it has schema {have} and this Lockhouse knows up to {len(steps)}",
            hint="it was written by a newer Lockhouse: run that version or a later one",
        )
    for statement in (statement for step in steps[have:] for statement in step):
        execute(statement, ())
    if not rows:
        execute("INSERT INTO schema_version (version) VALUES (?)", (len(steps),))
    elif have < len(steps):
        execute("UPDATE schema_version SET version = ?", (len(steps),))
    return len(steps)
