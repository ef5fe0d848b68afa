"""One request and its answer on a real socket: the connection that is kept, and that is closed by the other side."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Callable
from unittest import mock

from gainwatch.transport.exchange import Exchange, Link, run

from ..support import wait
from .sending import Sending

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


def asked(link: Link, size: int = 0) -> Exchange:
    exchange = Exchange("POST", "/x", bytes(size), {})
    run(link, exchange)
    return exchange


class Sockets(unittest.TestCase):
    """A server that is written out."""

    def serving(self, serve: Callable[[socket.socket], None]) -> Link:
        listening = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listening.close)

        def accept() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    serve(connection)

        threading.Thread(target=accept, daemon=True).start()
        return Link(f"http://127.0.0.1:{listening.getsockname()[1]}")

    def test_a_body_that_is_refused_before_all_of_it_came_is_heard(self) -> None:
        """413 with the connection closed at once."""

        def refuse(connection: socket.socket) -> None:
            connection.recv(100)
            connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
            time.sleep(0.2)

        exchange = asked(self.serving(refuse), 30 << 20)
        self.assertEqual(exchange.status, 413, exchange.error)

    def test_a_kept_connection_that_is_closed_as_a_request_comes_is_made_anew(self) -> None:
        """The other side had it open when it was looked at, and closed it without an answer."""

        def once(connection: socket.socket) -> None:
            connection.recv(1000)
            connection.sendall(OK)
            connection.recv(1000)  # the second request: closed

        link = self.serving(once)
        self.assertEqual([asked(link).status for _ in range(4)], [200] * 4)
        self.assertEqual(link.connects, 4)

    def test_one_that_was_new_is_not_asked_twice(self) -> None:
        came: list[bytes] = []

        def never(connection: socket.socket) -> None:
            came.append(connection.recv(1000))

        exchange = asked(self.serving(never))
        self.assertEqual((exchange.status, len(came)), (0, 1))
        self.assertIsInstance(exchange.error, OSError)

    def test_what_is_too_long_is_cut_and_the_connection_is_not_used_again(self) -> None:
        size = 5 << 20

        def long(connection: socket.socket) -> None:
            connection.recv(1000)
            try:
                connection.sendall(
                    f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode() + bytes(size)
                )
                connection.recv(1000)
            except OSError:
                pass

        link = self.serving(long)
        self.assertEqual(
            [(e.status, len(e.text)) for e in (asked(link), asked(link))], [(200, 4 << 20)] * 2
        )
        self.assertEqual(link.connects, 2)

    def test_proxies_of_the_environment_and_netrc_are_not_used(self) -> None:
        came: list[bytes] = []

        def serve(connection: socket.socket) -> None:
            came.append(connection.recv(1000))
            connection.sendall(OK)

        link, proxy = self.serving(serve), "http://127.0.0.1:9"
        with mock.patch.dict(
            os.environ,
            dict.fromkeys(("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"), proxy),
        ):
            self.assertEqual(asked(link).status, 200)
        self.assertTrue(came[0].startswith(b"POST /x HTTP/1.1\r\n"), came)
        self.assertNotIn(b"Authorization", came[0])

    def test_what_is_no_http_is_an_error(self) -> None:
        def strange(connection: socket.socket) -> None:
            connection.recv(1000)
            connection.sendall(b"SSH-2.0-OpenSSH\r\n\r\n")

        exchange = asked(self.serving(strange))
        self.assertEqual(exchange.status, 0)
        self.assertIsNotNone(exchange.error)

    def test_the_address_may_be_of_ipv6(self) -> None:
        try:
            listening = socket.create_server(("::1", 0), family=socket.AF_INET6)
        except OSError:
            return  # there is none on this machine

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(OK)

        threading.Thread(target=serve, daemon=True).start()
        with listening:
            exchange = asked(Link(f"http://[::1]:{listening.getsockname()[1]}"))
        self.assertEqual(exchange.status, 200, exchange.error)


class Kept(Sending):
    def test_one_connection_serves_a_run(self) -> None:
        sender = self.start(3)
        wait(lambda: sender.acknowledged == 3)
        for step in range(4, 8):
            self.train(sender, 1, step)
            while sender.acknowledged < step:
                time.sleep(0.01)
        self.close(sender)
        self.assertGreaterEqual(len(self.server.paths), 7)
        self.assertEqual((self.server.connections, sender.errors), (1, 0))


class Tls(unittest.TestCase):
    """A certificate that is trusted by SSL_CERT_FILE, for localhost alone."""

    def test_who_answers_must_have_a_certificate_of_that_name(self) -> None:
        folder = self.enterContext_(tempfile.TemporaryDirectory())
        key, certificate = f"{folder}/key.pem", f"{folder}/certificate.pem"
        made = [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            key,
            "-out",
            certificate,
            "-days",
            "2",
        ]
        subprocess.run(
            [*made, "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
            check=True,
            capture_output=True,
        )

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        port = server.server_address[1]
        self.assert_not_trusted(f"https://localhost:{port}")
        with mock.patch.dict(os.environ, SSL_CERT_FILE=certificate):
            self.assert_not_trusted(f"https://127.0.0.1:{port}")
            exchange = asked(Link(f"https://localhost:{port}"))
        self.assertEqual(exchange.status, 200, exchange.error)

    def assert_not_trusted(self, url: str) -> None:
        exchange = asked(Link(url))
        self.assertEqual(exchange.status, 0)
        self.assertRegex(type(exchange.error).__name__, "SSL|Certificate")

    def enterContext_(self, context: Any) -> Any:  # enterContext is of Python 3.11
        self.addCleanup(context.__exit__, None, None, None)
        return context.__enter__()
