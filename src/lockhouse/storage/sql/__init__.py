"""The store in SQL: one text for every database where dialects agree, and one module for each database.

`records` maps values to columns, `statements` holds the text, `reader` and `transaction` run it, `migrations` makes the
tables. They know a database only as a function `(sql, parameters) -> rows`; `sqlite` supplies it.
"""
