from aws_cdk import App, Stack, aws_dynamodb as ddb
from aws_cdk import aws_sns


class Data(Stack):
    def __init__(self, scope, name):
        super().__init__(scope, name)
        ddb.Table(self, "Orders", partition_key=ddb.Attribute(name="id", type=ddb.AttributeType.STRING))


Data(App(), "data")
