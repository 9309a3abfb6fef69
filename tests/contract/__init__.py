"""One suite for every store and every kind of blobs: a new one is one line in `conftest.py`."""
