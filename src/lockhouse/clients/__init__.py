"""The typed client of the JSON API: the only way from the command line to a server."""
