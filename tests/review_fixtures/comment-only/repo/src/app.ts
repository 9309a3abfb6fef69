// import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
/* const client = new DynamoDBClient({}); */
export const x = 1;
