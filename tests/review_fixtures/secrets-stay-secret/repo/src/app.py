import stripe

stripe.api_key = "sk_live_51Hthisisaverysecretvalue000000"
AWS_KEY = "AKIAIOSFODNN7EXAMPLE"; s = "postgres://admin:hunter2hunter2@db.example.com/app"
