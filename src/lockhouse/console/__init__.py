"""The web console, `/console/…`: pages made on the server, without a script.

`sessions` remembers who has signed in, `guard` decides whether a request may be believed, `pages` turns values into
HTML, `app` joins them to HTTP. Every page works without JavaScript, and nothing of a repository, a state or a client
reaches a page unescaped.
"""
