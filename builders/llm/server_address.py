"""Where an OpenAI-compatible server is, and the key that it gets. Keys come from the environment alone."""

import os
from ipaddress import ip_address
from urllib.parse import urlsplit, urlunsplit

from builders.cli.errors import UserError


def checked_address(base_url: str) -> str:
    """`base_url` without a slash at its end. Raises UserError where it is no http address or carries a password."""
    parts = urlsplit(base_url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise UserError(
            f"The --base-url {base_url!r} is not an http(s) address: write it like http://localhost:8000/v1.",
            exit_code=2,
        )
    if parts.username or parts.password:
        raise UserError(
            "The --base-url carries a user name or a password, which would be written into manifests: "
            "put the key into an environment variable and name it with --api-key-env.",
            exit_code=2,
        )
    return urlunsplit(parts._replace(path=parts.path.rstrip("/"), query="", fragment=""))


def is_loopback(base_url: str) -> bool:
    """True for a server on this machine."""
    host = urlsplit(base_url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def key_for(base_url: str, variable: str) -> str:
    """The key in the environment variable; a stand-in for a server on this machine, which seldom asks for one."""
    key = os.environ.get(variable, "").strip()
    if not key and is_loopback(base_url):
        return "no-key"
    if not key:
        raise UserError(
            f"The environment variable {variable} is not set and {base_url} is not on this machine: "
            f"set it to the key, or name another variable with --api-key-env.",
            exit_code=2,
        )
    # Said here, because the HTTP client's own complaint about such a header prints the key.
    if not key.isascii() or not key.isprintable():
        raise UserError(
            f"The environment variable {variable} has characters that no HTTP header can carry: copy the key again, "
            "or name another variable with --api-key-env.",
            exit_code=2,
        )
    return key
