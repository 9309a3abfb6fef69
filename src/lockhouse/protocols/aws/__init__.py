"""What S3, DynamoDB and STS have in common: Signature Version 4, payload encodings, checksums, dispatch by scope."""
