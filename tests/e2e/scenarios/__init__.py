"""Stories that run on any server: what two developers do, and what is left afterwards. Tests judge; nothing asserts here."""
