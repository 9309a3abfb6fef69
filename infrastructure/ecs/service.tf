resource "aws_ecs_cluster" "this" {
  name = var.name
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/ecs/${var.name}"
  retention_in_days = 30
}

resource "aws_ecs_task_definition" "this" {
  family                   = var.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 1024
  memory                   = 2048
  execution_role_arn       = aws_iam_role.starts.arn
  task_role_arn            = aws_iam_role.runs.arn

  container_definitions = jsonencode([
    {
      name                   = "lockhouse"
      image                  = var.image
      essential              = true
      readonlyRootFilesystem = true
      stopTimeout            = 30
      portMappings           = [{ containerPort = 7373, protocol = "tcp" }]
      # Nothing in it must outlive a task: records are in PostgreSQL, bodies in S3.
      mountPoints = [{ sourceVolume = "data", containerPath = "/data", readOnly = false }]
      # Fargate hands secrets over in the environment, and the master key is read from a file.
      entryPoint = ["sh", "-c"]
      command = [
        "umask 077 && printf %s \"$MASTER_KEY\" | base64 -d > /data/mounted.key && unset MASTER_KEY && exec lockhouse serve"
      ]
      environment = [
        { name = "LOCKHOUSE_MASTER_KEY_FILE", value = "/data/mounted.key" },
        { name = "LOCKHOUSE_ENCRYPTION_KEY", value = "aws-kms:${aws_kms_key.bodies.arn}" },
        { name = "TMPDIR", value = "/data" },
        { name = "LOCKHOUSE_PUBLIC_URL", value = var.public_url },
        { name = "LOCKHOUSE_BLOBS", value = "s3://${aws_s3_bucket.bodies.id}/?region=${data.aws_region.here.name}" },
        { name = "LOCKHOUSE_REGION", value = data.aws_region.here.name },
        { name = "LOCKHOUSE_LOG_FORMAT", value = "json" },
      ]
      secrets = [
        { name = "LOCKHOUSE_DATABASE_URL", valueFrom = var.database_url_secret },
        { name = "MASTER_KEY", valueFrom = var.master_key_secret },
      ]
      logConfiguration = {
        logDriver = "awslogs"
        options = {
          awslogs-group         = aws_cloudwatch_log_group.this.name
          awslogs-region        = data.aws_region.here.name
          awslogs-stream-prefix = "replica"
        }
      }
    },
  ])

  volume {
    name = "data"
  }
}

resource "aws_ecs_service" "this" {
  name            = var.name
  cluster         = aws_ecs_cluster.this.id
  task_definition = aws_ecs_task_definition.this.arn
  desired_count   = var.replicas
  launch_type     = "FARGATE"

  # A new version runs beside the old one until it is ready: the schema allows both at once.
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  health_check_grace_period_seconds  = 30

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets         = var.private_subnets
    security_groups = [aws_security_group.tasks.id]
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.this.arn
    container_name   = "lockhouse"
    container_port   = 7373
  }

  depends_on = [aws_lb_listener.https]
}
