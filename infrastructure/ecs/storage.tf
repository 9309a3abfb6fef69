resource "aws_s3_bucket" "bodies" {
  bucket = var.bucket
}

# Wraps the key of every body. Whoever deletes it deletes every body: hence the longest waiting time there is.
resource "aws_kms_key" "bodies" {
  description             = "${var.name}: wraps the keys of bodies"
  deletion_window_in_days = 30
  enable_key_rotation     = true
}

resource "aws_s3_bucket_public_access_block" "bodies" {
  bucket                  = aws_s3_bucket.bodies.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}
