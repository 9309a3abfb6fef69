"""STS, and the few IAM calls of Terraform's S3 backend: who am I, and temporary credentials."""
