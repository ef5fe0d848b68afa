"""Addresses and tokens that are no such are refused, and no secret of them is repeated."""

from __future__ import annotations

import contextlib
import os
import pathlib
import tempfile
import unittest
from typing import Any
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from gainwatch.transport.address import (
    TOKEN,
    address_rule,
    clean,
    is_loopback,
    read_token,
    without_secrets,
)

SECRET = "SECRET0123456789"
GAINWATCH = ("GAINWATCH_TOKEN", "GAINWATCH_TOKEN_FILE")


class Addresses(unittest.TestCase):
    def test_one_with_a_login_or_what_follows_is_told_what_to_do_instead(self) -> None:
        logins = (
            f"http://user:{SECRET}@h:9464",
            f"http://{SECRET}@h:9464/",
            f"http://user:{SECRET}@h:9464/?token={SECRET}#x",
        )
        follows = ("/?token=", "/?", "?token=", "/#run=", "/#")
        for url in (
            *logins,
            *(f"http://h:9464{text}{SECRET}" for text in follows),
            "http://h:9464/?",
            "http://h:9464/#",
        ):
            with self.subTest(url=url):
                rule = address_rule(url)
                self.assertRegex(rule, r"^must be http://host:port.*without .*GAINWATCH_TOKEN")
                self.assertNotIn("SECRET", rule)

    def test_what_is_no_address_is_refused(self) -> None:
        texts = (
            "h:9464",
            "//h",
            "ftp://h",
            "http://",
            "http://h:0",
            "http://h:x",
            "http://h:99999",
            "http://a b",
            "http://h/a b",
            "http://h/ä",
        )
        strange = (
            "http://h\\@x/",
            "http://h/\r\nX: y",
            "http://[::1",
            f"http://user:{SECRET}/a@h/?key={SECRET}\n{SECRET}",
            5,
            b"http://h",
        )
        for bad in (*texts, *strange):
            with self.subTest(bad=bad):
                rule = address_rule(bad)
                self.assertRegex(rule, "^must be http://host:port")
                self.assertNotIn("SECRET", rule)

    def test_addresses_are_allowed(self) -> None:
        for url in (
            "http://h",
            "http://127.0.0.1:9464",
            "https://h.example:443/",
            "http://[::1]:1/a/b%20c/",
            "HTTP://H",
            "http://a_b/base",
        ):
            self.assertEqual(address_rule(url), "", url)

    def test_this_machine_is_known(self) -> None:
        self.assertEqual(
            [is_loopback(f"http://{h}:1") for h in ("localhost", "127.0.0.1", "[::1]", "h")],
            [True] * 3 + [False],
        )


class Secrets(unittest.TestCase):
    def test_what_looks_like_one_is_left_out(self) -> None:
        for text, shown in (
            (f"http://u:{SECRET}@h/x", "http://…@h/x"),
            (f"?api_token={SECRET}&a=1 password={SECRET}", "?api_token=…&a=1 password=…"),
            (f"Bearer {SECRET}", "Bearer …"),
            ("bearer of news", "bearer of news"),
        ):
            self.assertEqual(without_secrets(text), shown)

    @given(st.from_regex(r"[!-~]{8,20}", fullmatch=True), st.text(), st.text())
    def test_the_token_is_in_no_line(self, token: str, before: str, after: str) -> None:
        line = clean(f"{before}{token}{after}", token)
        self.assertTrue(token not in line or token in before + after, line)
        self.assertTrue(line.isprintable())


class Tokens(unittest.TestCase):
    def setUp(self) -> None:
        clear = {name: value for name, value in os.environ.items() if name not in GAINWATCH}
        patched = mock.patch.dict(os.environ, clear, clear=True)
        patched.start()
        self.addCleanup(patched.stop)

    @contextlib.contextmanager
    def refused(self, rule: str) -> Any:
        with self.assertRaisesRegex(ValueError, rule) as raised:
            yield
        self.assertNotIn("SECRET", str(raised.exception))

    def test_one_that_is_no_header_is_refused_without_repeating_it(self) -> None:
        for bad in (
            f"{SECRET}\n",
            f"{SECRET}\r\nX: y",
            f"a {SECRET}",
            f"{SECRET}\0",
            f"{SECRET}ä",
            5,
        ):
            with self.subTest(bad=bad), self.refused("^token: must be printable"):
                read_token(bad)
        with (
            mock.patch.dict(os.environ, GAINWATCH_TOKEN=f"a {SECRET}"),
            self.refused("^GAINWATCH_TOKEN: must be printable"),
        ):
            read_token()

    def test_it_may_be_in_a_file_which_others_should_not_read(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = pathlib.Path(folder.name, "token")
        with mock.patch.dict(os.environ, GAINWATCH_TOKEN_FILE=str(path)):
            with self.refused("^GAINWATCH_TOKEN_FILE: must be a file that can be read"):
                read_token()
            for content in (b"\xff\xfe" + SECRET.encode(), f"{SECRET}\n{SECRET}".encode()):
                path.write_bytes(content)
                path.chmod(0o600)
                with self.refused("^GAINWATCH_TOKEN_FILE: must be"):
                    read_token()
            path.write_text(f"{SECRET}\n")
            with self.assertLogs("gainwatch", "WARNING") as logs:
                path.chmod(0o644)
                self.assertEqual(read_token(), SECRET)
            self.assertRegex(logs.output[0], f"others on this machine may read {path}")
            self.assertNotIn("SECRET", logs.output[0])

    def test_the_option_comes_before_the_environment_and_that_before_its_file(self) -> None:
        self.assertIsNone(read_token())
        with mock.patch.dict(os.environ, GAINWATCH_TOKEN="b", GAINWATCH_TOKEN_FILE="/nowhere"):
            self.assertEqual([read_token("a"), read_token(), read_token("")], ["a", "b", "b"])

    @given(st.text(min_size=1))
    def test_what_is_taken_is_a_header(self, token: str) -> None:
        try:
            self.assertTrue(TOKEN.fullmatch(read_token(token) or "x"))
        except ValueError:
            self.assertIsNone(TOKEN.fullmatch(token))
