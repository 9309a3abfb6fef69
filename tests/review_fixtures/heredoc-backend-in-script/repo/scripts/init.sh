#!/bin/sh
cat > backend.tf <<EOF
terraform {
  backend "s3" {
    bucket         = "acme-state"
    key            = "a.tfstate"
    region         = "us-east-1"
    dynamodb_table = "acme-locks"
  }
}
EOF
terraform init
