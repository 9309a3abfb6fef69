export async function item(id: string) {
  return fetch("https://dynamodb.us-east-1.amazonaws.com/", {
    method: "POST",
    headers: { "X-Amz-Target": "DynamoDB_20120810.GetItem" },
    body: id,
  });
}
