"""The address of the monitor and the token for it: what is allowed, and that neither's secrets are in a line. Asks nobody."""

from __future__ import annotations

import logging
import os
import re
from typing import Any, Optional
from urllib.parse import quote, urlsplit

log = logging.getLogger("gainwatch")

TOKEN = re.compile(r"[!-~]+")
_ADDRESS = re.compile(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d*)?(/[!-~]*)?", re.IGNORECASE)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def address_rule(url: Any) -> str:
    """What is wrong with an address, without what it holds; empty: nothing."""
    rule = "must be http://host:port or https://…"
    if not isinstance(url, str):
        return rule
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
            return rule
    except ValueError:  # .port, where it is none
        return rule
    if "@" in parts.netloc:
        return f"{rule}, without user and password: give token= (GAINWATCH_TOKEN)"
    if "?" in url or "#" in url:
        return f"{rule}, without what follows ? or #: give token= (GAINWATCH_TOKEN) and run="
    # What urlsplit, an HTTP client and a proxy might read differently is no address.
    return "" if _ADDRESS.fullmatch(url) and "\\" not in url else rule


def read_token(token: Any = None) -> Optional[str]:
    """The option's, or GAINWATCH_TOKEN, or what is in the file of GAINWATCH_TOKEN_FILE; None: there is none.

    @raises ValueError where it is no header's value; none of its text is in it
    """
    field = "token" if token else "GAINWATCH_TOKEN"
    token = token or os.environ.get("GAINWATCH_TOKEN") or None
    if token is None and os.environ.get("GAINWATCH_TOKEN_FILE"):
        field = "GAINWATCH_TOKEN_FILE"
        token = _read_file(field, os.environ[field])
    if token is None or (isinstance(token, str) and TOKEN.fullmatch(token)):
        return token
    given = f"a text of {len(token)}" if isinstance(token, str) else type(token).__name__
    raise ValueError(
        f"{field}: must be printable ASCII without spaces and line ends (given {given})"
    )


def _read_file(field: str, path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            token = file.read().strip()
            if os.name == "posix" and os.fstat(file.fileno()).st_mode & 0o077:
                log.warning("%s: others on this machine may read %s: chmod 600", field, path)
            return token
    except OSError as error:
        raise ValueError(f"{field}: must be a file that can be read ({error})") from None
    except UnicodeDecodeError:
        raise ValueError(f"{field}: must be a file of text") from None


def is_loopback(url: str) -> bool:
    """Is it this machine?"""
    return urlsplit(url).hostname in _LOOPBACK


def without_secrets(text: str) -> str:
    """Without what looks like a login or a token in it."""
    text = re.sub(r"//[^/\s]*@", "//…@", text)
    text = re.sub(r"(?i)\b((?:\w*token|password|secret)=)[^&#\s\"'<>]+", r"\1…", text)
    return re.sub(r"(?i)\b(bearer\s+)[!-~]{8,}", r"\1…", text)


def clean(text: str, token: Optional[str]) -> str:
    """In one line, without the token and what looks like one, whoever has put it there."""
    for secret in {token or "", quote(token or "", "")} - {""}:
        text = text.replace(secret, "…")
    return "".join(c if c.isprintable() else " " for c in without_secrets(text))
