package remote

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

type Client struct{ ddb *dynamodb.Client }

func (c *Client) Lock(ctx context.Context, table, path string) error {
	_, err := c.ddb.PutItem(ctx, &dynamodb.PutItemInput{
		TableName:           aws.String(table),
		ConditionExpression: aws.String("attribute_not_exists(LockID)"),
		Item: map[string]dtypes.AttributeValue{
			"LockID": &dtypes.AttributeValueMemberS{Value: path},
		},
	})
	return err
}
