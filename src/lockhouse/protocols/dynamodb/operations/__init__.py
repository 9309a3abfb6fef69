"""One file for each operation, or for each pair that one table row of the manual describes."""
