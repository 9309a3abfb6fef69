"""The README of an exported tree: what somebody needs who has nothing but these files."""

README = """\
# States exported by Lockhouse

From {source}. Everything here is plain: no key, no database and no Lockhouse is needed to read it. The states may hold
secrets; the files can be read by their owner alone.

- `current/NAMESPACE/KEY`: the newest bytes of every state and object that is not deleted
- `history/NAMESPACE/KEY/NUMBER-VERSION`: older versions, if they were exported
- `odd/NUMBER`: bytes whose key cannot be a path; `index.jsonl` says which key each has
- `index.jsonl`: one JSON document on each line for each version: namespace, key, time, serial, digests, file
- `locks.json`: locks that were held when this was exported; nobody holds them anywhere now

Namespaces (buckets):

{namespaces}
## Go on with plain S3

```sh
aws s3 mb s3://NEW-BUCKET
aws s3api put-bucket-versioning --bucket NEW-BUCKET --versioning-configuration Status=Enabled
aws s3 sync current/NAMESPACE s3://NEW-BUCKET
```

In each `backend "s3"` block set `bucket = "NEW-BUCKET"`, remove the endpoint of Lockhouse (or take `AWS_ENDPOINT_URL`
out of the environment), set `use_lockfile = true` or a real DynamoDB table, and run `terraform init -reconfigure`.

A file in `odd` is pushed by hand: `aws s3 cp odd/000001 's3://NEW-BUCKET/KEY'`, with the key that the index says.

## Go on with local files

In the directory of a configuration, with its `backend` block removed:

```sh
cp PATH/current/NAMESPACE/KEY terraform.tfstate
terraform init -reconfigure
```

## Put it into a Lockhouse again

```sh
lockhouse import PATH
```

brings back every version that is here, in order and with its time.
"""
