"""The audit log's outside: packing sealed entries, signing the chain, and the forms in which it leaves the server.

What an entry is and how entries are chained is decided in `core.audit`; here nothing knows a store, a clock or HTTP.
"""
