#!/usr/bin/env bash
# Make the bucket and the lock table of a Terraform backend, in the way in which many projects do it once per account.
# Knows nothing of the server: AWS_ENDPOINT_URL alone says where it is. May be run again.
set -eu

bucket=$1
table=$2
region=${AWS_DEFAULT_REGION:-us-east-1}

account=$(aws sts get-caller-identity --query Account --output text)
echo "account $account, as $(aws sts get-caller-identity --query Arn --output text)"

if aws s3 ls "s3://$bucket" 2>&1 | grep -q NoSuchBucket; then
    if [ "$region" = us-east-1 ]; then
        aws s3api create-bucket --bucket "$bucket" --region "$region" >/dev/null
    else
        aws s3api create-bucket --bucket "$bucket" --region "$region" \
            --create-bucket-configuration "LocationConstraint=$region" >/dev/null
    fi
    echo "bucket $bucket created"
else
    echo "bucket $bucket exists"
fi

aws s3api put-bucket-versioning --bucket "$bucket" --versioning-configuration Status=Enabled
aws s3api put-bucket-encryption --bucket "$bucket" --server-side-encryption-configuration \
    '{"Rules":[{"ApplyServerSideEncryptionByDefault":{"SSEAlgorithm":"AES256"},"BucketKeyEnabled":true}]}'
aws s3api put-public-access-block --bucket "$bucket" --public-access-block-configuration \
    "BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true"

if aws dynamodb describe-table --table-name "$table" --region "$region" >/dev/null 2>&1; then
    echo "table $table exists"
else
    aws dynamodb create-table --table-name "$table" --region "$region" --billing-mode PAY_PER_REQUEST \
        --attribute-definitions AttributeName=LockID,AttributeType=S \
        --key-schema AttributeName=LockID,KeyType=HASH >/dev/null
    aws dynamodb wait table-exists --table-name "$table" --region "$region"
    echo "table $table created"
fi

echo "versioning $(aws s3api get-bucket-versioning --bucket "$bucket" --query Status --output text)"
echo "encryption $(aws s3api get-bucket-encryption --bucket "$bucket" --output text \
    --query 'ServerSideEncryptionConfiguration.Rules[0].ApplyServerSideEncryptionByDefault.SSEAlgorithm')"
echo "public access blocked $(aws s3api get-public-access-block --bucket "$bucket" --output text \
    --query 'PublicAccessBlockConfiguration.RestrictPublicBuckets')"
echo "table status $(aws dynamodb describe-table --table-name "$table" --query 'Table.TableStatus' --output text)"
