"""The asynchronous edge of the use cases: bodies are taken in and given out, commands awaited, lock requests held.

Everything below is plain synchronous code in threads; everything above is a protocol. Only here do they meet: this room
knows the event loop and the ports, and no protocol.
"""
