import { SQSClient, SendMessageCommand } from "@aws-sdk/client-sqs";

const client = new SQSClient({});
export const send = (body: string) => client.send(new SendMessageCommand({ QueueUrl: process.env.Q, MessageBody: body }));
