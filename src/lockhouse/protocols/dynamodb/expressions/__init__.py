"""DynamoDB's expression languages: text with placeholders becomes the trees of `core.conditions` and `core.updates`."""
