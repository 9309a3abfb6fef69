import requests


def charge(key: str) -> int:
    """Charges a card. See https://api.twilio.com for what we do not use."""
    return requests.post("https://api.stripe.com/v1/charges", auth=(key, "")).status_code
