from pynamodb.attributes import UnicodeAttribute
from pynamodb.models import Model


class Session(Model):
    class Meta:
        table_name = "sessions"

    key = UnicodeAttribute(hash_key=True)
