const { DynamoDBClient } = require("@aws-sdk/client-dynamodb");
const { DynamoDBDocumentClient, GetCommand } = require("@aws-sdk/lib-dynamodb");

const client = DynamoDBDocumentClient.from(new DynamoDBClient({}));
exports.handler = async () => client.send(new GetCommand({ TableName: process.env.TABLE, Key: { id: "1" } }));
