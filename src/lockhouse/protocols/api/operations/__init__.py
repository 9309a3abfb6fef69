"""One module for each kind of thing; each handler decodes what the route did not, calls one use case and shows what
came back. Rights are the use cases' affair."""
