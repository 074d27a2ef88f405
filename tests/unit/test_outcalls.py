"""A call outside is a line at `debug`, without what is secret."""

from structlog.testing import capture_logs

from service.delivery.sender import Post, send_post
from service.http.calls import log_call
from service.settings import Urls
from service.urls.rules import parse_endpoint_url


def test_a_call_is_a_line_without_user_password_and_query() -> None:
    with capture_logs() as lines:
        log_call("GET", "https://u:CANARY@host.example:8443/v1/a%2Fb?key=CANARY#CANARY", 200, 0.1234)
    assert lines == [
        {
            "event": "call", "log_level": "debug", "method": "GET", "host": "host.example:8443", "path": "/v1/a%2Fb",
            "status": 200, "seconds": 0.123,
        }
    ]  # fmt: skip


async def test_a_message_is_logged_without_the_path_of_its_endpoint_and_also_without_an_answer() -> None:
    rules = Urls(allow_http_hosts=("127.0.0.1",), allow_private_hosts=("127.0.0.1",))
    target = parse_endpoint_url("http://127.0.0.1:1/CANARY?key=CANARY", rules)
    with capture_logs() as lines:
        await send_post(Post(target, {}, b"{}", 1))
    (line,) = lines
    assert (line["method"], line["host"], line["path"], line["status"]) == ("POST", "127.0.0.1:1", None, None)
