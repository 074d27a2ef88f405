"""Texts that somebody outside may send where a date, a number, a name or a document is expected: some 500 of them.

The same list in every process and in every run, so that tests may number them.
"""

from typing import Final

_NUMBERS: Final = (
    *(
        "",
        " ",
        "0",
        "-0",
        "-1",
        "+1",
        "1.5",
        "1e9",
        "1e400",
        "NaN",
        "inf",
        "-inf",
        "Infinity",
        "0x10",
        "1_000",
        "1,000",
    ),
    *(str(2**power + step) for power in (15, 16, 31, 32, 53, 63, 64, 128) for step in (-1, 0, 1)),
    *("9" * length for length in (5, 9, 10, 18, 19, 20, 21, 100, 400, 4299, 4301)),
    *("\u0663", "\u00b2", "\uff11\uff12", "\u0967", "\U0001d7d8", "1\u0000", "1 2", "1;2", "1\t", "--1", "0" * 500),
)
_YEARS: Final = ("0", "1", "70", "1969", "1970", "9999", "10000", "99999", "9" * 12, "9" * 20, "-1", "")
_ZONES: Final = ("GMT", "+0000", "-2359", "+2400", "+9999", "+99999999999999", "-99999999999999", "X", "", "Z", "+")
_DATES: Final = (
    *(f"Fri, 01 Jan {year} 00:00:00 {zone}" for year in _YEARS for zone in _ZONES),
    *(f"Fri, {day} Jan 2027 {hour} GMT" for day in ("0", "31", "99", "x", "") for hour in ("99:99:99", "1", "", "::")),
    *(f"{year}-01-01T00:00:00{zone}" for year in ("0000", "0001", "9999", "99999") for zone in _ZONES),
    *("Fri", "Fri,", ",", ", ,", "01", "Jan", "Fri, 30 Feb 2027 00:00:00 GMT", "Fri, 01 Foo 2027 00:00:00 GMT"),
    *("2026-W53-7", "2026-366", "20260101T000000Z", "T", "00:00", "2026-01-01T24:00:00Z", "2026-01-01T00:00:60Z"),
    "Fri, 01 Jan 2027 00:00:00 GMT" + " " * 200,
    "Fri, 01 Jan 2027 00:00:00 (" + "(" * 300,
    "Fri, 01 Jan 2027 00:00:00 (\\",
)
_RANGES: Final = (
    *("bytes", "bytes ", "bytes */*", "bytes 0-0/*", "bytes 5-1/9", "bytes 0-9/5", "bytes -1-2/3", "items 0-1/2"),
    *(f"bytes 0-{'9' * length}/{'9' * length}" for length in (18, 19, 20, 400)),
    *("bytes=0-1", "bytes 0-1", "bytes 0-1/", "bytes a-b/c", "BYTES 0-1/2", "bytes 0-1/2, bytes 3-4/5"),
)
_TYPES: Final = (
    *(
        "text",
        "text/",
        "/html",
        "a/b/c",
        "text/html;",
        "text/html; charset",
        'text/html; charset="',
        "x/y; charset=x-0",
    ),
    *("application/json; charset=utf-7", "application/json; charset=\u00e9", "multipart/mixed", ";;;;", "*/*"),
    *("gzip", "br", "zstd", "deflate", "gzip, gzip, gzip, gzip", "aws-chunked", "x-nothing", "identity;q=0"),
)
_ADDRESSES: Final = (
    *("http://", "http://[", "http://]", "http://[::1", "http://[::1]:99999/", "http://[fe80::1%25eth0]/", "//", "///"),
    *("http://a..b/", "http://" + "a" * 64 + ".example/", "http://" + "a." * 200 + "example/", "http://xn--/"),
    *("http://\u0000/", "http://\u2028/", "http://user:pw@127.0.0.1/", "javascript:alert(1)", "file:///etc/passwd"),
    *("http://1.2.3.4.5/", "http://0x7f.1/", "http://127.0.0.1:0/", "?", "#", "..", "/../../..", "http://%00/"),
    *("http://[v1.x]/", "http://\u2100/", "http://\ufe64/", "http://ex\u3002ample/", "http://-a-/", "http://a b/"),
)
_TEXTS: Final = (
    *("[/]", "[/old]", "[bold]", "[link=x]", "[[", "]]", "\\[", ":smile:", "{}", "{0}", "%s", "%n", "$x", "`id`"),
    *("\u0000", "\u0001", "\u007f", "\u0085", "\u00a0", "\u200b", "\u202e", "\u2028", "\ufeff", "\ufffd", "\uffff"),
    *(
        "\udc80",
        "\ud800",
        "\U0010ffff",
        "e\u0301" * 50,
        "\U0001f468\u200d\U0001f469",
        "\u05d0\u05d1",
        "\u0130",
        "\u1e9e",
    ),
    *("a" * length for length in (63, 64, 255, 256, 1023, 1025, 4096, 7000)),
    *(
        "'",
        '"',
        "''",
        "'; DROP TABLE recordings; --",
        "<script>",
        "&amp;",
        "&#x0;",
        "&#xFFFFFFFF;",
        "]]>",
        "<!DOCTYPE x>",
    ),
    *('W/"', '"', 'W/""', '"' * 50, "W/" * 50, "\t", " " * 100, ",", ",,,,", ";", "=", "null", "true", "undefined"),
)
_JSON: Final = (
    *("{}", "[]", "null", "true", "0", '""', "{", "[", '"', "[" * 100, "[" * 2000 + "]" * 2000, '{"a":' * 500),
    *(
        '{"code": 1e400}',
        '{"code": NaN}',
        '{"code": -1}',
        '{"code": "7"}',
        '{"code": {}}',
        '{"code": [2]}',
        '{"code": true}',
    ),
    *(
        '{"resourceId": 5}',
        '{"resourceId": ""}',
        '{"resourceId": null}',
        '{"resourceId": "\\u0000"}',
        '{"resourceId": "\\ud800"}',
    ),
    *('{"sid": []}', '{"sid": "\\n"}', '{"sid": 18446744073709551615}', '{"sid": "' + "s" * 5000 + '"}'),
    *(
        f'{{"serverResponse": {value}}}'
        for value in ("null", "[]", "5", '"x"', "{}", '{"status": "4"}', '{"status": 1e30}')
    ),
    *(f'{{"serverResponse": {{"status": {value}}}}}' for value in ("-1", "99", "18446744073709551615", "4.5", "null")),
    *(
        f'{{"serverResponse": {{"status": 4, "extensionServiceState": {value}}}}}'
        for value in (
            "null",
            "{}",
            "[null]",
            '[{"serviceName": 5}]',
            '[{"serviceName": "web_recorder_service", "payload": []}]',
        )
    ),
    *(
        '{"serverResponse": {"status": 4, "extensionServiceState": [{"serviceName": "web_recorder_service", '
        f'"payload": {{"state": "x", "fileList": {value}}}}}]}}}}'
        for value in ("5", "{}", "[5]", '[{"filename": 5}]', '[{"fileName": "a/b"}]', '[{"filename": "\\u0000"}]')
    ),
    *(
        '{"serverResponse": {"status": 4, "extensionServiceState": [{"serviceName": "web_recorder_service", '
        f'"payload": {{"fileList": [{{"filename": "x.ts", "sliceStartTime": {value}}}]}}}}]}}}}'
        for value in ("-1", "1e308", '"NaN"', '"inf"', "true", "[]", '"9999999999999999999999"')
    ),
    '{"code": 2, "reason": {"a": 1}}',
    '{"message": ["x"]}',
    '{"reason": "' + "\u00e9" * 5000 + '"}',
)
_XML: Final = (
    *("<", "<a>", "<a/>", "<?xml", "<a></b>", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "<ListBucketResult>"),
    *("<ListBucketResult/>", "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>", "<Error/>"),
    *(
        f"<ListBucketResult><Contents><Key>{key}</Key><Size>{size}</Size></Contents></ListBucketResult>"
        for key in ("", "a", "&#1;", "%", "%zz")
        for size in ("", "-1", "9" * 30, "x")
    ),
    "<a>" * 200,
    "<Error><Code>" + "x" * 500 + "</Code></Error>",
)

NASTY_VALUES: Final = (*_NUMBERS, *_DATES, *_RANGES, *_TYPES, *_ADDRESSES, *_TEXTS, *_JSON, *_XML)


def header_bytes(value: str) -> bytes:
    """The value as the bytes of a header line, which ends where it says so."""
    raw = value.encode("utf-8", "surrogatepass")
    return raw.replace(b"\r", b" ").replace(b"\n", b" ")
