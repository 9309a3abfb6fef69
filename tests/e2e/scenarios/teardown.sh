#!/usr/bin/env bash
# Remove a backend's bucket with every version in it, and its lock table.
set -eu

bucket=$1
table=$2

for kind in Versions DeleteMarkers; do
    aws s3api list-object-versions --bucket "$bucket" --output text --query "$kind[].[Key,VersionId]" |
        while IFS=$'\t' read -r key version; do
            [ "$key" = None ] || aws s3api delete-object --bucket "$bucket" --key "$key" --version-id "$version" >/dev/null
        done
done
aws s3api delete-bucket --bucket "$bucket"
aws dynamodb delete-table --table-name "$table" >/dev/null
aws dynamodb wait table-not-exists --table-name "$table"
echo "bucket $bucket and table $table are gone"
