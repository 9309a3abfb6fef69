package store

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	goredis "github.com/redis/go-redis/v9"
)

func Put(ctx context.Context, cfg aws.Config) error {
	client := dynamodb.NewFromConfig(cfg)
	_, err := client.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String("orders")})
	_ = goredis.NewClient(&goredis.Options{})
	return err
}
