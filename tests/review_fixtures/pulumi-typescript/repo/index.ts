import * as aws from "@pulumi/aws";

const locks = new aws.dynamodb.Table("locks", { hashKey: "LockID", billingMode: "PAY_PER_REQUEST" });
const files = new aws.s3.BucketV2("files");
export const names = [locks.name, files.bucket];
