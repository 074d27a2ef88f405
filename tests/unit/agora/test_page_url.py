"""Which page and push URLs are let through, and how much of one is shown."""

import contextlib
import ipaddress
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import Code, ServiceError
from service.urls.rules import (
    is_public_address,
    parse_endpoint_url,
    parse_page_url,
    parse_rtmp_url,
    redact_rtmp,
    redact_url,
)

NONE = SimpleNamespace(allow_http_hosts=(), allow_private_hosts=())
SOME = SimpleNamespace(
    allow_http_hosts=("demo.example", "127.0.0.1:8000"),
    allow_private_hosts=("127.0.0.1:8000", "intra.corp", "[fd12::1]", "169.254.169.254", "metadata.google.internal"),
)

GOOD = [
    ("https://example.com", "https://example.com/"),
    ("HTTPS://EXAMPLE.com/Path", "https://example.com/Path"),
    ("https://example.com:443/x", "https://example.com/x"),
    ("https://example.com:8443/x", "https://example.com:8443/x"),
    ("https://example.com./x", "https://example.com/x"),
    ("https://example.com?x=1", "https://example.com/?x=1"),
    ("https://example.com#/room/4", "https://example.com/#/room/4"),
    ("https://example.com/a%20b?x=%C3%B6", "https://example.com/a%20b?x=%C3%B6"),
    ("https://example.com/ä?q=ö", "https://example.com/%C3%A4?q=%C3%B6"),
    ("https://bücher.example/", "https://xn--bcher-kva.example/"),
    ("https://例え.テスト/", "https://xn--r8jz45g.xn--zckzah/"),
    ("https://example。com/", "https://example.com/"),
    ("https://ｅｘａｍｐｌｅ.com/", "https://example.com/"),
    ("https://8.8.8.8/", "https://8.8.8.8/"),
    ("https://134744072/", "https://8.8.8.8/"),
    ("https://0x08080808/", "https://8.8.8.8/"),
    ("https://010.8.8.8/", "https://8.8.8.8/"),
    ("https://[2606:4700::1111]/", "https://[2606:4700::1111]/"),
    ("https://[2606:4700:0:0::1111]:444/", "https://[2606:4700::1111]:444/"),
    ("https://[::ffff:8.8.8.8]/", "https://[::ffff:808:808]/"),
    ("https://localhost.example.com/", "https://localhost.example.com/"),
    ("https://10.example.com/", "https://10.example.com/"),
    ("https://v2--mysite.example.app/room", "https://v2--mysite.example.app/room"),
    ("https://r3---sn-abc.video.example.com/", "https://r3---sn-abc.video.example.com/"),
    ("https://my_app.example.com/", "https://my_app.example.com/"),
    ("https://_dmarc.EXAMPLE.com./", "https://_dmarc.example.com/"),
    ("https://a_.example.com/", "https://a_.example.com/"),
    ("https://my_app.m\u00fcnchen.example/", "https://my_app.xn--mnchen-3ya.example/"),
    ("https://example.com/a@b:c", "https://example.com/a@b:c"),
]
BAD = [
    "",
    "example.com",
    "//example.com/",
    "https:/example.com",
    "https:example.com",
    "https://",
    "https:///x",
    "https://?x",
    "http://example.com/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "data:text/html,x",
    "chrome://settings",
    "rtmp://example.com/x",
    "https://user@example.com/",
    "https://user:pw@example.com/",
    "https://@example.com/",
    "https://example.com@127.0.0.1/",
    "https://example.com\\@127.0.0.1/",
    "https://127.0.0.1\\.example.com/",
    "https://example.com /",
    " https://example.com/",
    "https://example.com/\n",
    "https://exa\tmple.com/",
    "https://example.com/\x00",
    "https://example.com/\x7f",
    "https://example.com/\x85",
    "https://example.com/a b",
    'https://example.com/"x"',
    "https://example.com/<x>",
    "https://example.com:0/",
    "https://example.com:65536/",
    "https://example.com:/",
    "https://example.com:+1/",
    "https://example.com:8_0/",
    "https://example.com:x/",
    "https://exam%70le.com/",
    "https://%31%32%37.0.0.1/",
    "https://a..b/",
    "https://.example.com/",
    "https://-a.example.com/",
    "https://xn--/",
    "https://" + "a" * 64 + ".example/",
    "https://example.com/" + "x" * 2048,
    "https://example.com/" + "ä" * 400,
    "https://example.com/\ud800",
    "https://localhost/",
    "https://LOCALHOST./",
    "https://localhost:8443/",
    "https://a.localhost/",
    "https://router/",
    "https://printer.local/",
    "https://db.internal/",
    "https://wiki.corp/",
    "https://nas.home.arpa/",
    "https://127.0.0.1/",
    "https://127.1/",
    "https://127.0.0.1./",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.1/",
    "https://0177.0.0.1/",
    "https://017700000001/",
    "https://127。0。0。1/",
    "https://127.0.0.1/",
    "https://①②⑦.0.0.1/",
    "https://0/",
    "https://0.0.0.0/",
    "https://0x/",
    "https://1.2.3.256/",
    "https://1.2.3.4.5/",
    "https://4294967296/",
    "https://08.1.1.1/",
    "https://10.1.2.3/",
    "https://172.16.0.1/",
    "https://172.31.255.255/",
    "https://192.168.1.1/",
    "https://100.64.0.1/",
    "https://169.254.1.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://0xa9fea9fe/",
    "https://100.100.100.200/",
    "https://168.63.129.16/",
    "https://192.0.0.192/",
    "https://192.0.2.1/",
    "https://198.18.0.1/",
    "https://198.51.100.1/",
    "https://203.0.113.1/",
    "https://192.88.99.1/",
    "https://224.0.0.1/",
    "https://240.0.0.1/",
    "https://255.255.255.255/",
    "https://metadata.google.internal/",
    "https://metadata/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::127.0.0.1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::ffff:0:127.0.0.1]/",
    "https://[::ffff:169.254.169.254]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b::8.8.8.8]/",
    "https://[64:ff9b:1::1]/",
    "https://[2002:7f00:1::]/",
    "https://[2002:808:808::]/",
    "https://[2001::1]/",
    "https://[2001:db8::1]/",
    "https://[3fff::1]/",
    "https://[100::1]/",
    "https://[5f00::1]/",
    "https://[fc00::1]/",
    "https://[fd00:ec2::254]/",
    "https://[fe80::1]/",
    "https://[fe80::1%25eth0]/",
    "https://[2606:4700::1%eth0]/",
    "https://[fec0::1]/",
    "https://[ff02::1]/",
    "https://[::g]/",
    "https://[8.8.8.8]/",
    "https://[2606:4700::1111/",
    "https://2606:4700::1111/",
]


@pytest.mark.parametrize(("text", "normalised"), GOOD)
def test_a_public_https_page_is_let_through_normalised(text, normalised):
    assert parse_page_url(text, NONE).text == normalised


# Names that browsers open, though a registrar would not sell some of them.
NAMES = [
    "v2--mysite.example.app",
    "r3---sn-abc.video.example.com",
    "ab--cd--ef.example.com",
    "a1--b2.c3--d4.example.com",
    "my_app.example.com",
    "_dmarc.example.com",
    "__a__.example.com",
    "a_.example.com",
    "a-_-b.example.com",
    "123.example.com",
    "4--2.example.com",
    "xn--bcher-kva.example",
    "pr-12--site_name.preview.example.dev",
    "a" * 63 + ".example.com",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_only_has_to_resolve_is_taken_for_pages_endpoints_and_push_targets(name):
    assert parse_page_url(f"https://{name}/room", NONE).host == name
    assert parse_endpoint_url(f"https://{name}/hook", NONE).host == name
    assert parse_rtmp_url(f"rtmp://{name}/app/key", NONE).host == name


@pytest.mark.parametrize("text", BAD)
def test_anything_else_is_refused_without_being_repeated(text):
    with pytest.raises(ServiceError) as caught:
        parse_page_url(text, NONE)
    assert caught.value.code is Code.INVALID
    assert [error.pointer for error in caught.value.errors] == ["/url"]
    assert len(text) < 12 or text not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "http://demo.example/",
        "http://127.0.0.1:8000/x",
        "https://intra.corp/",
        "https://[fd12::1]/",
        "http://2130706433:8000/",
    ],
)
def test_a_listed_host_is_let_through(text):
    assert parse_page_url(text, SOME)


@pytest.mark.parametrize(
    "text",
    [
        "http://other.example/",
        "http://a.demo.example/",
        "http://127.0.0.1:8001/",
        "https://a.intra.corp/",
        "https://[fd12::2]/",
        "https://169.254.169.254/",
        "https://[::ffff:169.254.169.254]/",
        "https://metadata.google.internal/",
        "http://intra.corp/",
    ],
)
def test_a_list_opens_what_it_names_and_never_a_metadata_service(text):
    with pytest.raises(ServiceError):
        parse_page_url(text, SOME)


@pytest.mark.parametrize(
    "text", ["http://class.test:18180/", "https://10.0.0.7/", "https://class/"], ids=["http", "address", "name"]
)
def test_a_host_that_no_list_names_is_refused_with_the_setting_and_the_way_of_a_sandbox(text):
    with pytest.raises(ServiceError) as refused:
        parse_page_url(text, NONE)
    message = refused.value.errors[0].message
    assert "urls.allow_" in message
    assert message.endswith("`pagereel sandbox --page-host HOST` or `make sandbox PAGE_HOST=HOST`")
    with pytest.raises(ValueError, match=r"urls\.allow_") as in_settings:
        parse_endpoint_url(text, NONE)
    assert "sandbox" not in str(in_settings.value), "settings have no --page-host"


def test_what_is_no_url_is_told_with_an_example_of_one():
    with pytest.raises(ServiceError) as page:
        parse_page_url("notaurl", NONE)
    with pytest.raises(ServiceError) as push:
        parse_rtmp_url("notaurl", NONE)
    assert page.value.errors[0].message.endswith("with a host, for example https://class.example.org/room/42")
    assert push.value.errors[0].message.endswith("with a host, for example rtmp://live.example.org/app/key")


def test_user_information_is_named_as_the_fault():
    with pytest.raises(ServiceError, match="user information"):
        parse_page_url("https://me@example.com/", NONE)


@pytest.mark.parametrize(
    ("url", "address", "admitted"),
    [
        ("https://example.com/", "8.8.8.8", True),
        ("https://example.com/", "10.0.0.1", False),
        ("https://intra.corp/", "10.0.0.1", True),
        ("https://intra.corp/", "127.0.0.1", True),
        ("https://intra.corp/", "169.254.169.254", False),
        ("https://intra.corp/", "::ffff:169.254.169.254", False),
        ("https://intra.corp/", "64:ff9b::a9fe:a9fe", False),
        ("https://intra.corp/", "fd00:ec2::254", False),
    ],
)
def test_the_addresses_of_a_name_are_admitted_by_the_same_rules(url, address, admitted):
    assert parse_page_url(url, SOME).admits(ipaddress.ip_address(address)) is admitted


def test_a_parsed_url_says_where_it_leads():
    named, literal = parse_page_url("https://example.com/x", NONE), parse_page_url("https://8.8.8.8:444/", NONE)
    assert (named.scheme, named.host, named.port, named.address) == ("https", "example.com", 443, None)
    assert (literal.port, literal.address) == (444, ipaddress.ip_address("8.8.8.8"))


@given(st.ip_addresses())
def test_what_python_knows_as_not_global_is_never_public(address):
    if not address.is_global:
        assert not is_public_address(address)


@given(st.ip_addresses(v=4))
def test_a_mapped_address_is_judged_as_the_address_it_is(address):
    assert is_public_address(ipaddress.ip_address(f"::ffff:{address}")) == is_public_address(address)


@given(st.text(max_size=60) | st.text("ht:/ps@[]0127.x%\\", max_size=30).map(lambda rest: "https://" + rest))
def test_any_text_is_either_parsed_again_to_the_same_or_invalid(text):
    redact_url(text)
    redact_rtmp(text)
    with contextlib.suppress(ServiceError):
        parsed = parse_page_url(text, NONE)
        assert parse_page_url(parsed.text, NONE).text == parsed.text


@pytest.mark.parametrize("text", ["rtmp://live.example.org/app/key", "rtmps://live.example.org:1936/app/key?x=1"])
def test_a_push_target_is_let_through_as_it_is(text):
    assert parse_rtmp_url(text, NONE).text == text


@pytest.mark.parametrize(
    "text", ["https://live.example.org/a", "rtmp://10.0.0.1/a", "rtmp://u:p@live.example.org/a", "rtmp://localhost/a"]
)
def test_another_push_target_is_refused(text):
    with pytest.raises(ServiceError) as caught:
        parse_rtmp_url(text, NONE)
    assert caught.value.errors[0].pointer == "/rtmp_url"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://u:p@example.com:8443/room?token=x#y", "https://example.com:8443/room?…"),
        ("https://example.com/room", "https://example.com/room"),
        ("https://example.com/#/t0ken", "https://example.com/?…"),
        ("https://[2606:4700::1]/", "https://[2606:4700::1]/"),
        ("https://example.com:99999/x", "…"),
        ("token", "…"),
        ("", "…"),
    ],
)
def test_a_page_is_shown_without_what_may_be_secret(text, shown):
    assert redact_url(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtmp://u:p@live.example.org:1935/app/key?x", "rtmp://live.example.org:1935/…"),
        ("key", "…"),
        ("rtmp://[::1", "…"),
    ],
)
def test_a_push_target_is_shown_as_scheme_and_host(text, shown):
    assert redact_rtmp(text) == shown


def test_no_repr_shows_the_url():
    assert "canary" not in repr(parse_page_url("https://example.com/canary?canary", NONE))
