package com.example;

import software.amazon.awssdk.services.dynamodb.DynamoDbClient;
import software.amazon.awssdk.services.kinesis.KinesisClient;
import redis.clients.jedis.Jedis;

public class Orders {
    private final DynamoDbClient client = DynamoDbClient.create();
    private final Jedis cache = new Jedis("localhost");
}
