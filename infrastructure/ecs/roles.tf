data "aws_iam_policy_document" "ecs" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
  }
}

# What starts a task: it pulls the image, reads the two secrets and writes the log.
resource "aws_iam_role" "starts" {
  name_prefix        = "${var.name}-starts-"
  assume_role_policy = data.aws_iam_policy_document.ecs.json
}

resource "aws_iam_role_policy_attachment" "starts" {
  role       = aws_iam_role.starts.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
}

data "aws_iam_policy_document" "secrets" {
  statement {
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [var.database_url_secret, var.master_key_secret]
  }
}

resource "aws_iam_role_policy" "secrets" {
  name   = "secrets"
  role   = aws_iam_role.starts.id
  policy = data.aws_iam_policy_document.secrets.json
}

# What runs in a task: it keeps large bodies in its bucket, and may do nothing else.
resource "aws_iam_role" "runs" {
  name_prefix        = "${var.name}-runs-"
  assume_role_policy = data.aws_iam_policy_document.ecs.json
}

data "aws_iam_policy_document" "bodies" {
  statement {
    actions   = ["s3:ListBucket", "s3:ListBucketMultipartUploads"]
    resources = [aws_s3_bucket.bodies.arn]
  }

  statement {
    actions   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
    resources = ["${aws_s3_bucket.bodies.arn}/*"]
  }

  statement {
    actions   = ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey"]
    resources = [aws_kms_key.bodies.arn]
  }
}

resource "aws_iam_role_policy" "bodies" {
  name   = "bodies"
  role   = aws_iam_role.runs.id
  policy = data.aws_iam_policy_document.bodies.json
}
