DEFAULT_FILE_STORAGE = "storages.backends.s3boto3.S3Boto3Storage"
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "x"}}
CELERY_BROKER_URL = "redis://cache:6379/0"
