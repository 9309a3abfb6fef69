aws dynamodb create-table --table-name acme_locks \
  --key-schema AttributeName=LockID,KeyType=HASH
