"""Our own JSON API, `/lockhouse/v1/…`: what the command line, the console and other programs administer with.

`wire` has the documents and the one error table, `routes` the table of routes, `operations` the handlers, `openapi` the
description that is served at `/lockhouse/v1/openapi.json`; `application` joins them to HTTP.
"""
