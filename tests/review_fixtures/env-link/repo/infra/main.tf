resource "aws_db_instance" "main" {
  engine = "postgres"
}

resource "aws_elasticache_cluster" "cache" {
  engine = "redis"
}

resource "aws_ecs_task_definition" "api" {
  family = "api"
  container_definitions = jsonencode([{
    name = "api"
    environment = [
      { name = "DATABASE_HOST", value = aws_db_instance.main.address },
      { name = "CACHE_HOST", value = aws_elasticache_cluster.cache.cache_nodes[0].address },
    ]
  }])
}
