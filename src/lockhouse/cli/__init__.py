"""The command line: arguments become one call of the typed client (or of the server itself), answers become text.

Nothing is decided here. Tables, hints and progress are for people and go where people look; with `--json` a command
prints one JSON document on standard output and nothing else. Exit codes are an interface (`cli.exits`).
"""
