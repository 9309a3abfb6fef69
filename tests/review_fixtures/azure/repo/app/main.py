from azure.storage.blob import BlobServiceClient

client = BlobServiceClient("https://example.invalid")
