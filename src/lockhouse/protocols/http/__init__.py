"""`backend "http"`: GET, POST, DELETE, LOCK and UNLOCK of one address each (PROTOCOLS 3; docs/reference/http.md)."""
