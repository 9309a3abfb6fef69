import RedisStore from "connect-redis";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import type { Stripe } from "stripe";

export function start(): string {
  return "ready";
}
