"""Amazon S3 as Terraform, the AWS CLI and the SDKs speak it: namespaces are buckets, states are objects."""
