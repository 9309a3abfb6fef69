#!/usr/bin/env bash
set -euo pipefail
# Create DynamoDB table for state locking
aws dynamodb create-table \
  --table-name classla-terraform-locks \
  --attribute-definitions AttributeName=LockID,AttributeType=S \
  --key-schema AttributeName=LockID,KeyType=HASH \
  --billing-mode PAY_PER_REQUEST
