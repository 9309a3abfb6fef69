"""The store in SQL: one text for every database where dialects agree, and one module for each database.

`records` maps values to columns, `reader` and `transaction` (with a mixin for each aggregate) hold and run the
statements, `migrations` makes the tables. They know a database only as a session; `sqlite` and `postgres` supply it.
How to write a statement, and a command, that is right on both: `dialect`.
"""
