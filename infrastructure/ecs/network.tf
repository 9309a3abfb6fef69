resource "aws_security_group" "balancer" {
  name_prefix = "${var.name}-balancer-"
  description = "Terraform to the load balancer"
  vpc_id      = var.vpc_id

  ingress {
    from_port   = 443
    to_port     = 443
    protocol    = "tcp"
    cidr_blocks = var.client_networks
  }

  egress {
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_security_group" "tasks" {
  name_prefix = "${var.name}-tasks-"
  description = "The load balancer to the replicas"
  vpc_id      = var.vpc_id

  ingress {
    from_port       = 7373
    to_port         = 7373
    protocol        = "tcp"
    security_groups = [aws_security_group.balancer.id]
  }

  egress {
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_lb" "this" {
  name               = var.name
  internal           = var.internal
  load_balancer_type = "application"
  security_groups    = [aws_security_group.balancer.id]
  subnets            = var.load_balancer_subnets

  # Lock requests are held for up to 50 seconds; the default of 60 would do, and this leaves room.
  idle_timeout = 75
}

resource "aws_lb_target_group" "this" {
  name        = var.name
  port        = 7373
  protocol    = "HTTP"
  target_type = "ip"
  vpc_id      = var.vpc_id

  # Longer than `drain`, so that a stopping replica can answer what it has begun.
  deregistration_delay = 30

  # Ready means that the database answers. A replica that cannot reach it is taken out and comes back by itself.
  health_check {
    path                = "/readyz"
    matcher             = "200"
    interval            = 5
    timeout             = 4
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.this.arn
  port              = 443
  protocol          = "HTTPS"
  certificate_arn   = var.certificate_arn
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this.arn
  }
}
