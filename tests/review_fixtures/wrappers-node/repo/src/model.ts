import { bedrock } from "@ai-sdk/amazon-bedrock";
import { generateText } from "ai";
import * as dynamoose from "dynamoose";
import { Queue } from "bullmq";

export const User = dynamoose.model("User", { id: String });
export const queue = new Queue("mail");
export const ask = (q: string) => generateText({ model: bedrock("anthropic.claude"), prompt: q });
