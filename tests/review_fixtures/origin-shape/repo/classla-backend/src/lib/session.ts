import RedisStore from "connect-redis";
import { createClient } from "redis";

export function session() {
  const client = createClient({ url: process.env.REDIS_URL });
  return new RedisStore({ client });
}
