resource "aws_ecs_cluster" "main" {
  name = "classla"
}

resource "aws_amplify_app" "frontend" {
  name = "classla-frontend"
}
