"""Show 10: the bucket and the lock table made by Terraform itself, with the AWS provider 3.39 and this server as AWS."""

from __future__ import annotations

import json
import uuid

from tests.e2e.clouds import Place
from tests.e2e.scenarios.configurations import aws_provider, resources
from tests.e2e.terraform import NEWEST, LockMode, S3Backend

SERVICES = ("s3", "dynamodb", "sts", "iam")


def backend_resources(place: Place) -> str:
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "DenyUnencryptedUploads",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:DeleteBucket",
                "Resource": f"arn:aws:s3:::{place.bucket}",
                "Condition": {"StringEquals": {"aws:PrincipalTag/retired": "yes"}},
            }
        ],
    }
    return f"""
resource "aws_s3_bucket" "state" {{
  bucket = "{place.bucket}"
  versioning {{
    enabled = true
  }}
  server_side_encryption_configuration {{
    rule {{
      apply_server_side_encryption_by_default {{
        sse_algorithm = "AES256"
      }}
    }}
  }}
  lifecycle_rule {{
    id      = "old-versions"
    enabled = true
    noncurrent_version_expiration {{
      days = 90
    }}
  }}
  tags = {{
    Name = "terraform state"
    Team = "platform"
  }}
}}

resource "aws_s3_bucket_public_access_block" "state" {{
  bucket                  = aws_s3_bucket.state.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}}

resource "aws_s3_bucket_policy" "state" {{
  bucket     = aws_s3_bucket.state.id
  depends_on = [aws_s3_bucket_public_access_block.state]
  policy     = {json.dumps(json.dumps(policy))}
}}

resource "aws_dynamodb_table" "locks" {{
  name         = "{place.table}"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "LockID"
  attribute {{
    name = "LockID"
    type = "S"
  }}
  point_in_time_recovery {{
    enabled = true
  }}
  tags = {{
    Name = "terraform locks"
  }}
}}
"""


def test_bucket_and_table_are_applied_replanned_without_changes_used_and_destroyed(cloud, developer):
    name = f"made-by-terraform-{uuid.uuid4().hex[:8]}"
    place = Place(bucket=name, table=f"{name}-locks")
    builder = developer("builder", cloud=cloud, version=NEWEST)
    builder.write("main.tf", aws_provider(cloud, *SERVICES, signed=True) + backend_resources(place)).init()

    builder.apply()
    again = builder.run("plan", "-input=false", "-detailed-exitcode")
    assert again.code == 0, again.report()

    s3, dynamodb = cloud.sdk("s3"), cloud.sdk("dynamodb")
    assert s3.get_bucket_versioning(Bucket=place.bucket)["Status"] == "Enabled"
    rules = s3.get_bucket_lifecycle_configuration(Bucket=place.bucket)["Rules"]
    assert [(rule["ID"], rule["Status"]) for rule in rules] == [("old-versions", "Enabled")]
    assert json.loads(s3.get_bucket_policy(Bucket=place.bucket)["Policy"])["Version"] == "2012-10-17"
    recovery = dynamodb.describe_continuous_backups(TableName=place.table)["ContinuousBackupsDescription"]
    assert recovery["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"

    alice = developer("alice", cloud=cloud).backend(S3Backend(place, "app/terraform.tfstate", LockMode.BOTH))
    alice.write("main.tf", resources("one")).init()
    alice.apply()
    refused = builder.run("destroy", "-auto-approve", "-input=false", "-target=aws_s3_bucket.state")
    assert refused.code == 1, refused.report()
    assert "BucketNotEmpty" in refused.text
    # Emptied, as AWS demands it, with every version and marker.
    listed = s3.list_object_versions(Bucket=place.bucket)
    for entry in listed.get("Versions", []) + listed.get("DeleteMarkers", []):
        s3.delete_object(Bucket=place.bucket, Key=entry["Key"], VersionId=entry["VersionId"])
    builder.ok("destroy", "-auto-approve", "-input=false")
    assert place.bucket not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    assert place.table not in dynamodb.list_tables()["TableNames"]


def test_deletion_protection_keeps_a_table_until_it_is_switched_off(cloud):
    place = cloud.new_place()
    dynamodb = cloud.sdk("dynamodb")
    dynamodb.update_table(TableName=place.table, DeletionProtectionEnabled=True)

    refused = cloud.aws("dynamodb", "delete-table", "--table-name", place.table)

    assert refused.code != 0
    assert "deletion protection" in refused.text.lower() or "DeletionProtection" in refused.text
    assert dynamodb.describe_table(TableName=place.table)["Table"]["DeletionProtectionEnabled"] is True
    dynamodb.update_table(TableName=place.table, DeletionProtectionEnabled=False)
    cloud.aws("dynamodb", "delete-table", "--table-name", place.table).ok()
