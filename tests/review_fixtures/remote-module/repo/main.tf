module "service" {
  source = "git::https://git.example.com/platform/terraform-service.git?ref=v3"
  name   = "web"
}
