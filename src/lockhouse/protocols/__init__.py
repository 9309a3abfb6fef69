"""The protocols: each room decodes one wire format into commands and encodes results back into it."""
