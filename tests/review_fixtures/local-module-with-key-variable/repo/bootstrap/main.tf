module "locks" {
  source   = "../modules/table"
  name     = "acme-things"
  hash_key = "LockID"
}
