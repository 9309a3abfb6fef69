"""One file for each S3 operation, or for each family that differs only by a table."""
