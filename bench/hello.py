"""The smallest ASGI application: what the server stack alone can do, for the CPU ratio."""


async def application(scope, receive, send):
    """Answer 13 bytes to everything."""
    if scope["type"] != "http":
        return
    message = await receive()
    while message.get("more_body"):
        message = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"13")]})
    await send({"type": "http.response.body", "body": b"hello, world\n"})
