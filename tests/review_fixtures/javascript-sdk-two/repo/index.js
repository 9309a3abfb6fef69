const AWS = require("aws-sdk");

const docs = new AWS.DynamoDB.DocumentClient();
const s3 = new AWS.S3();
exports.handler = async () => {
  await docs.put({ TableName: "orders", Item: { id: "1" } }).promise();
  await s3.putObject({ Bucket: "b", Key: "k" }).promise();
};
