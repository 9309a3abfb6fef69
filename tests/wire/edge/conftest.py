"""A real uvicorn server with our connection class on a free loopback port."""

import asyncio
import socket
import threading

import pytest
import uvicorn

from lockhouse.edge.connection import Deadlines, connection_class


class Server:
    """Serves one handler in a thread; `stop` ends it."""

    def __init__(self, handler, *, max_body=1 << 20, deadlines=None, run=asyncio.run):
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(128)
        self.port = self.listener.getsockname()[1]
        config = uvicorn.Config(
            handler,
            http=connection_class(deadlines or Deadlines(), max_body),
            interface="asgi3",
            proxy_headers=False,
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=1,  # from Python 3.12 on a server that is closed waits for its connections
        )
        self.server = uvicorn.Server(config)
        self.run = run
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        self.run(self.server.serve(sockets=[self.listener]))

    def stop(self):
        self.server.should_exit = True
        self.server.force_exit = True
        self.thread.join(10)
        self.listener.close()

    def connect(self, timeout=10):
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def talk(self, raw, *, end=True):
        """Send bytes and read until the server closes, or (`end` false) until it has said something."""
        with self.connect() as client:
            client.sendall(raw)
            return read_all(client) if end else client.recv(65536)


def read_all(client):
    out = b""
    while True:
        try:
            got = client.recv(65536)
        except ConnectionResetError:
            return out
        if not got:
            return out
        out += got


@pytest.fixture
def serve():
    servers = []

    def start(handler, **options):
        servers.append(Server(handler, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
