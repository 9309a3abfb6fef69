"""What may be kept in Redis: sessions of people, and nothing that a state or a lock depends on."""
