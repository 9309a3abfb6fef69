terraform {
  backend "gcs" {
    bucket = "acme-state"
  }
}

resource "google_pubsub_topic" "t" {
  name = "t"
}
