output "load_balancer" {
  description = "Name to point the host of `public_url` to."
  value       = aws_lb.this.dns_name
}
