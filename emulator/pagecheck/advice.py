"""Advice for a page that does not open, by Chromium's error or the HTTP status. Pure."""

from __future__ import annotations

_PUBLIC = "Agora opens the page from the Internet, so a name or address of your own network is not enough."
_LONGER = "Find out what takes so long: Agora's recorder does not wait for it."

# The first entry that has a prefix of the error applies.
_ERRORS = (
    (
        ("ERR_NAME_NOT_RESOLVED", "ERR_NAME_RESOLUTION_FAILED", "ERR_DNS", "ERR_ICANN_NAME_COLLISION"),
        f"DNS has no address for this host: check the spelling and the DNS record. {_PUBLIC}",
    ),
    (
        ("ERR_CONNECTION_REFUSED",),
        "Nothing listens at this host and port: start the server, check the port, and the address that it listens on. "
        + _PUBLIC,
    ),
    (
        ("ERR_CONNECTION_TIMED_OUT", "ERR_TIMED_OUT", "no answer"),
        f"The host does not answer: check its address and load, and whether a firewall drops the connection. {_PUBLIC}",
    ),
    (
        ("ERR_CONNECTION_RESET", "ERR_CONNECTION_CLOSED", "ERR_CONNECTION_ABORTED", "ERR_EMPTY_RESPONSE"),
        "The server closed the connection unanswered: check its log, and whether the port serves http or https.",
    ),
    (
        ("ERR_INVALID_HTTP_RESPONSE", "ERR_INVALID_RESPONSE", "ERR_HTTP2", "ERR_RESPONSE_HEADERS"),
        "The answer is not HTTP: check that a web server listens at the port, and whether it serves http or https.",
    ),
    (
        ("ERR_ADDRESS_UNREACHABLE", "ERR_ADDRESS_INVALID", "ERR_INTERNET_DISCONNECTED", "ERR_NETWORK"),
        f"There is no route to this host from here: check the network of this machine and the address. {_PUBLIC}",
    ),
    (
        ("ERR_PROXY", "ERR_TUNNEL", "ERR_MANDATORY_PROXY", "ERR_NO_SUPPORTED_PROXIES", "ERR_SOCKS"),
        "The proxy of this machine failed, which says nothing of the page: check HTTP_PROXY and HTTPS_PROXY, or try it "
        "from a machine without a proxy.",
    ),
    (
        ("ERR_TOO_MANY_REDIRECTS",),
        "The page redirects in a circle, often between http and https or by way of a log-in: give the final address.",
    ),
    (
        ("ERR_INVALID_AUTH_CREDENTIALS", "ERR_UNEXPECTED_AUTH"),
        "The server asks for a log-in (401), and nobody types in the recorder: log in through the URL, such as by "
        "a token in it.",
    ),
    (
        ("ERR_UNSAFE_PORT",),
        "Browsers refuse this port: serve the page at another one, best at 443.",
    ),
    (
        ("ERR_BLOCKED", "ERR_ACCESS_DENIED"),
        "The browser or a policy of this machine blocks the address: try it from another machine.",
    ),
    (
        ("ERR_ABORTED",),
        "The address is a download, or has no content (204): give the address of an HTML page.",
    ),
    (
        ("ERR_CERT_DATE",),
        "Renew the certificate: it has expired, or is not valid yet.",
    ),
    (
        ("ERR_CERT_COMMON_NAME",),
        "Use a certificate for exactly this host name.",
    ),
    (
        ("ERR_CERT_AUTHORITY", "ERR_CERT_SELF_SIGNED"),
        "Use a certificate of an authority that browsers trust, not a self-signed one, and send intermediate ones too.",
    ),
    (
        ("ERR_CERT_REVOKED",),
        "Replace the certificate: its authority has revoked it.",
    ),
    (
        ("ERR_SSL", "ERR_BAD_SSL"),
        "The TLS handshake failed: check that this port serves https, with TLS 1.2 or newer and a common cipher.",
    ),
)
_CERTIFICATE = "Use a certificate that browsers trust, for the page and for everything it loads."
_ELSE = "Open the page in a browser on another network and see what it reports."

_STATUSES = {
    401: "The page asks for a log-in: log in through the URL, for example with a token in it.",
    403: "The server forbids it: check the token in the URL, and that the server admits browsers from any address.",
    404: "There is no page here, which ends the recording at once: check the path, and that the room exists.",
    407: "A proxy asks for a log-in, which says nothing of the page: try it from a machine without a proxy.",
    410: "The page is gone, so nothing is recorded: check the address.",
    429: "The server limits requests: admit the recorder, which also loads the page anew from time to time.",
}
_SERVER = (
    "The server fails, which ends the recording at once: check its log; for 502 to 504 also the proxy in front of it."
)
_REQUEST = "The server refuses the request: check the address and its parameters."


def advice_on_error(error: str) -> str:
    """Return the advice on a network error such as `net::ERR_NAME_NOT_RESOLVED`."""
    name = error.removeprefix("net::")
    return next((advice for names, advice in _ERRORS if name.startswith(names)), _ELSE)


def advice_on_certificates(errors: list[str]) -> str:
    """Return the advice on certificates that browsers refuse. Each error begins with its name."""
    each = dict.fromkeys(advice_on_error(error) for error in errors)
    return " ".join(_CERTIFICATE if advice == _ELSE else advice for advice in each)


def advice_on_status(status: int) -> str:
    """Return the advice on a status of 400 and above."""
    return _STATUSES.get(status) or (_SERVER if status >= 500 else _REQUEST)


def advice_on_slowness() -> str:
    """Return the advice on a page that does not finish loading."""
    return _LONGER
