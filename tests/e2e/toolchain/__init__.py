"""The client programs that the tests run, and where they are installed."""
