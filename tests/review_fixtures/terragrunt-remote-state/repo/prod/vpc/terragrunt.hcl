include "root" {
  path = find_in_parent_folders()
}
terraform {
  source = "tfr:///terraform-aws-modules/vpc/aws?version=5.0.0"
}
