"""The validation of pages and hosts for a demo or a sandbox, before anything is started."""

import socket
from urllib.parse import urlsplit

from service.errors import ServiceError
from service.settings import Urls
from service.urls.rules import parse_endpoint_url, parse_page_url


def hosts_of(page: str) -> tuple[str, ...]:
    """Return the page's host for the setting `allow_http_hosts`, or an empty tuple if the page has none."""
    try:
        host = urlsplit(page).hostname
    except ValueError:
        return ()
    if not host:
        return ()
    return (f"[{host}]" if ":" in host else host,)


def wrong_page(page: str) -> str | None:
    """Return why the demo cannot record this page, or None. Its host needs neither TLS nor a public address."""
    hosts = hosts_of(page)
    if any(wrong_host(host) for host in hosts):
        hosts = ()
    try:
        parsed = parse_page_url(page, Urls(allow_http_hosts=hosts, allow_private_hosts=hosts))
    except ServiceError as error:
        return error.errors[0].message
    try:
        socket.getaddrinfo(parsed.host, parsed.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        return f"the host {parsed.host} cannot be resolved ({getattr(error, 'strerror', None) or 'not a host name'})"
    return None


def wrong_receiver(url: str) -> str | None:
    """Return why the URL is not valid for a receiver of messages on this machine or in its network, or None."""
    hosts = hosts_of(url)
    try:
        parse_endpoint_url(url, Urls(allow_http_hosts=hosts, allow_private_hosts=hosts))
    except ValueError:
        return "write a URL with http:// or https:// and a host, for example http://127.0.0.1:9000/pagereel"
    return None


def wrong_host(host: str) -> str | None:
    """Return why the text is not valid as a host of pages, or None."""
    try:
        Urls(allow_http_hosts=(host,))
    except ValueError:
        return f"{host!r}: write a host or host:port, for example class.test or [::1]:8000"
    return None
