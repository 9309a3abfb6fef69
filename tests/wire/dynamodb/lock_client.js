// Takes, refuses, heartbeats and releases locks with npm's dynamodb-lock-client. Arguments: endpoint, table, table with a sort key.
"use strict";

const AWS = require("aws-sdk");
const DynamoDBLockClient = require("dynamodb-lock-client");
const util = require("util");

const [endpoint, plain, sorted] = process.argv.slice(2);
const dynamodb = new AWS.DynamoDB.DocumentClient({ endpoint, region: "us-east-1", maxRetries: 0 });
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const take = (client, id) => util.promisify(client.acquireLock.bind(client))(id);
const release = (lock) => util.promisify(lock.release.bind(lock))();

async function refused(client, id) {
  try {
    await take(client, id);
  } catch (error) {
    return error.message;
  }
  throw new Error(`took ${id} although it is held`);
}

async function failClosed() {
  const options = { dynamodb, lockTable: plain, partitionKey: "name", acquirePeriodMs: 1000, retryCount: 0 };
  const lock = await take(new DynamoDBLockClient.FailClosed(options), "closed");
  console.log("closed taken");
  console.log("closed refused:", await refused(new DynamoDBLockClient.FailClosed(options), "closed"));
  await release(lock);
  await release(await take(new DynamoDBLockClient.FailClosed(options), "closed"));
  console.log("closed released and taken again");
}

async function failOpen() {
  const options = {
    dynamodb,
    lockTable: sorted,
    partitionKey: "name",
    sortKey: "part",
    heartbeatPeriodMs: 100,
    leaseDurationMs: 1000,
    trustLocalTime: true,
    retryCount: 0,
  };
  const id = { name: "open", part: "one" };
  const lock = await take(new DynamoDBLockClient.FailOpen(options), id);
  let failed = null;
  lock.on("error", (error) => (failed = error));
  console.log("open taken with token", lock.fencingToken);
  await pause(1500);
  if (failed) throw failed;
  const held = await dynamodb.get({ TableName: sorted, Key: { name: "open", part: "one" } }).promise();
  console.log("open kept by heartbeats:", held.Item.guid.equals ? true : Boolean(held.Item.guid));
  await release(lock);
  const next = await take(new DynamoDBLockClient.FailOpen(options), id);
  console.log("open taken again with token", next.fencingToken);
  await release(next);
}

failClosed()
  .then(failOpen)
  .then(
    () => console.log("done"),
    (error) => {
      console.error(error);
      process.exit(1);
    }
  );
