"""DynamoDB's JSON 1.0 protocol, for lock tables and the lock libraries that people use on them."""
