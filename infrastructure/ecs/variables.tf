variable "name" {
  description = "Name of everything that is made here."
  type        = string
  default     = "lockhouse"
}

variable "image" {
  description = "Image made from infrastructure/Dockerfile, with its digest."
  type        = string
}

variable "vpc_id" {
  type = string
}

variable "private_subnets" {
  description = "Subnets of the tasks, in at least two zones."
  type        = list(string)
}

variable "load_balancer_subnets" {
  description = "Subnets of the load balancer, in at least two zones."
  type        = list(string)
}

variable "client_networks" {
  description = "Where Terraform runs: the networks that may connect."
  type        = list(string)
}

variable "internal" {
  description = "Whether the load balancer has private addresses only."
  type        = bool
  default     = true
}

variable "certificate_arn" {
  description = "Certificate of the load balancer."
  type        = string
}

variable "public_url" {
  description = "How clients reach the load balancer, e.g. https://states.example.org"
  type        = string
}

variable "replicas" {
  type    = number
  default = 3
}

variable "database_url_secret" {
  description = "ARN of the Secrets Manager secret whose whole text is the database URL."
  type        = string
}

variable "master_key_secret" {
  description = "ARN of the Secrets Manager secret whose whole text is the master key in base64, the same for all replicas."
  type        = string
}

variable "bucket" {
  description = "Name of a new S3 bucket for large bodies."
  type        = string
}
