"""One module for each group of commands; what a group does is in its functions' docstrings, which are its help."""
