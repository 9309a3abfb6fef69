"""Carrying all data from one place to another: backup, restore, drill, move, export.

A place is a data directory (SQLite and files), or a PostgreSQL database and a blob store. All places have the same
tables, so rows are copied as rows, and bodies outside of them as the bytes that are stored. Nothing here knows what a
record means: a table that is added tomorrow is carried too.
"""
