terraform {
  backend "s3" {
    bucket         = "a"
    key            = "k"
    region         = "us-east-1"
    use_lockfile   = true
    dynamodb_table = "locks"
  }
}
