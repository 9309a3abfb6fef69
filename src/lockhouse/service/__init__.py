"""The use cases: one function each, one transaction each.

A use case takes a transaction (`core.ports`), the caller and a command value, asks `core` for the decision and writes
what follows from it. It knows no protocol, framework, socket or clock: time, ids and network facts are in its
arguments. Whatever must be kept although the caller is refused (a parked write) is returned as a result, not raised,
because raising undoes the transaction.
"""
