// Two lock clients of the dynamodb-lock-client package on one table: `node lock_library.js TABLE`.
// Prints one line per step. Endpoint, region and keys come from the environment.
"use strict";

const { promisify } = require("util");
const AWS = require("aws-sdk");
const { FailClosed, FailOpen } = require("dynamodb-lock-client");

const dynamodb = new AWS.DynamoDB.DocumentClient({ endpoint: process.env.AWS_ENDPOINT_URL, maxRetries: 0 });
const table = { dynamodb, lockTable: process.argv[2], partitionKey: "id" };

function acquire(client, id) {
    return promisify(client.acquireLock.bind(client))(id);
}

function release(lock) {
    return promisify(lock.release.bind(lock))();
}

async function main() {
    const closed = new FailClosed({ ...table, acquirePeriodMs: 300, retryCount: 0 });
    const first = await acquire(closed, "team/job");
    console.log("fail-closed lock acquired");
    await acquire(closed, "team/job").then(
        () => console.log("second client acquired it too"),
        (problem) => console.log(`second client refused: ${problem.code}`),
    );
    await release(first);
    console.log("released");
    await release(await acquire(closed, "team/job"));
    console.log("acquired and released again");

    const open = new FailOpen({ ...table, heartbeatPeriodMs: 50, leaseDurationMs: 1000, retryCount: 0 });
    const one = await acquire(open, "lease");
    await release(one);
    const two = await acquire(open, "lease");
    console.log(`fencing token grows: ${two.fencingToken > one.fencingToken}`);
    await release(two);
}

main().catch((problem) => {
    console.error(problem);
    process.exit(1);
});
