terraform {
  backend "azurerm" {
    storage_account_name = "acme"
    container_name       = "state"
    key                  = "a"
  }
}

resource "azurerm_cosmosdb_account" "c" {
  name = "c"
}
