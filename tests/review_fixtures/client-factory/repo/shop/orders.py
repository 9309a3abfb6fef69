from shop.aws import make_client

QUEUE = "sqs"
orders = make_client("dynamodb")
mail = make_client(QUEUE)
