"""One module for each kind of resource; `routes` says which request is which."""
