import { PubSub } from "@google-cloud/pubsub";

export const client = new PubSub();
