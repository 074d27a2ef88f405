"""Stores that list in their own way: whatever the form, what is there is shown once, and every listing ends."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from urllib.parse import quote_plus

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wire_bucket_rig import Opens, Scripted

from service.buckets import Keys, Usage
from service.buckets.listing.page import NotAListing, PageReader, are_encoded
from service.buckets.listing.repair import Repair
from service.buckets.s3 import S3Bucket
from service.buckets.vendors import Dialect
from service.errors import Unavailable
from service.media.listing.discovery import find_recordings
from service.report import ListedObject
from service.verifier.audit import Compared, Filed, Holder, compare

KEYS = Keys("AKIDEXAMPLE", "wire-secret")
OURS = [f"p/{'c' * 32}_room_2026112510{number:02d}00000.ts" for number in range(30)]


def escaped(key: str, *, control: str = "reference") -> str:
    """A key in XML, with what XML cannot hold as a reference or as it is."""
    shown = "".join(f"&#x{ord(one):x};" if ord(one) < 32 and control == "reference" else one for one in key)
    return shown if control == "bare" else shown.replace("&", "&amp;").replace("&amp;#x", "&#x").replace("<", "&lt;")


@dataclass
class Store:
    """Lists `keys` in their order. `encoding`: what it makes of encoding-type; `page`: keys in one page; `facts`: the
    elements of an object beside its key."""

    keys: Sequence[str]
    encoding: str = "honoured"
    control: str = "reference"
    page: int = 1000
    facts: Callable[[str], str] = lambda _: "<LastModified>2025-01-01T00:00:11.000Z</LastModified><Size>188</Size>"
    asked: list[dict[str, str]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        if request.method == "HEAD":
            return web.Response(body=b"G" * 77)
        self.asked.append(dict(request.query))
        encode = request.query.get("encoding-type") == "url"
        if encode and self.encoding.isdecimal():
            text = "<Error><Code>InvalidArgument</Code></Error>"
            return web.Response(status=int(self.encoding), text=text)
        changes, says = encode and self.encoding in ("honoured", "silent"), self.encoding in ("honoured", "word alone")
        start = int(request.query.get("continuation-token", "0"))
        shown, end = self.keys[start : start + self.page], start + self.page
        rows = "".join(
            f"<Contents><Key>{escaped(quote_plus(key) if changes else key, control=self.control)}</Key>"
            f"{self.facts(key)}</Contents>"
            for key in shown
        )
        more = f"<NextContinuationToken>{end}</NextContinuationToken>" if end < len(self.keys) else ""
        body = (
            f'<?xml version="1.0"?><ListBucketResult>{"<EncodingType>url</EncodingType>" if encode and says else ""}'
            f"<IsTruncated>{str(bool(more)).lower()}</IsTruncated>{more}{rows}</ListBucketResult>"
        )
        return web.Response(body=body.encode("utf-8", "surrogateescape"), content_type="application/xml")


async def listed(bucket: S3Bucket, prefix: str = "p/", after: str = "") -> list[ListedObject]:
    return [one async for page in bucket.list_objects(prefix, after) for one in page]


async def keys_of(bucket: S3Bucket, after: str = "") -> list[str]:
    return [one.key for one in await listed(bucket, after=after)]


STRANGERS = [
    "p/notes\x01old.txt",
    "p/a\rb",
    "p/\x1f",
    "p/a\x0b\x0cb",
    "p/ü ñ+%20&=<x>",
    "p/tab\tnewline\n",
    "p/100%",
    "p/%41",
]


@pytest.mark.parametrize("stranger", STRANGERS)
@pytest.mark.parametrize("control", ["reference", "raw"])
async def test_a_strangers_key_is_listed_where_the_store_encodes_it(
    opens: Opens, scripted: Scripted, stranger: str, control: str
) -> None:
    bucket = opens(await scripted(Store([*OURS, stranger], control=control).answer), KEYS)
    assert await keys_of(bucket) == [*OURS, stranger]


@pytest.mark.parametrize("stranger", [*STRANGERS, "p/latin\udcfc", "p/\ufffe", "p/R&D"])
@pytest.mark.parametrize("encoding", ["ignored", "word alone", "400", "501"])
async def test_a_strangers_key_spoils_no_listing_of_a_store_that_does_not_encode(
    opens: Opens, scripted: Scripted, stranger: str, encoding: str
) -> None:
    control = "bare" if stranger == "p/R&D" else "raw" if stranger.endswith("\udcfc") else "reference"
    store = Store([*OURS, stranger], encoding=encoding, control=control)
    bucket = opens(await scripted(store.answer), KEYS)
    assert (await keys_of(bucket))[: len(OURS)] == OURS


@pytest.mark.parametrize("encoding", ["honoured", "silent", "ignored", "word alone", "400", "501"])
async def test_keys_with_a_blank_are_read_rightly_whatever_the_store_makes_of_the_question(
    opens: Opens, scripted: Scripted, encoding: str
) -> None:
    keys = [f"p 1/{name}" for name in ("a b.ts", "ü.ts")]
    bucket = opens(await scripted(Store(keys, encoding=encoding).answer), KEYS)
    for _ in range(2):
        assert [one.key for one in await listed(bucket, "p 1/")] == keys


async def test_a_store_that_refuses_to_encode_is_asked_once_and_not_again(opens: Opens, scripted: Scripted) -> None:
    store = Store(OURS, encoding="400", page=10)
    bucket = opens(await scripted(store.answer), KEYS)
    assert await keys_of(bucket) == OURS
    assert await keys_of(bucket) == OURS
    assert ["encoding-type" in query for query in store.asked] == [True] + [False] * 6


@pytest.mark.parametrize(
    ("keys", "declared", "encoded"),
    [
        (["p/a+b"], False, False),
        (["p/a+b"], True, True),
        (["p/a b"], True, False),
        (["p/ü"], True, False),
        (["p%2Fa"], False, True),
        (["x/a"], False, False),
        ([], True, True),
    ],
)
def test_keys_count_as_encoded_where_only_that_reading_is_possible(
    keys: list[str], declared: bool, encoded: bool
) -> None:
    assert are_encoded(keys, "p/", declared=declared) is encoded


def shuffled(seed: int) -> list[str]:
    keys = list(OURS)
    random.Random(seed).shuffle(keys)
    return keys


ORDERS = {
    "backwards": OURS[::-1],
    "folder after its files": ["p/b", "p/z", "p/a/1", "p/a/2"],
    "folder before its files": ["p/x/1", "p/x/2", "p/a", "p/b"],
    "case does not count": ["p/a", "p/B", "p/c"],
    "numbers as numbers": ["p/2", "p/10", "p/100"],
    "newest first": [*OURS[20:], *OURS[:20]],
    **{f"shuffled {seed}": shuffled(seed) for seed in range(4)},
}


@pytest.mark.parametrize("page", [1, 7, 1000])
@pytest.mark.parametrize("order", ORDERS)
async def test_keys_in_any_order_are_all_shown(opens: Opens, scripted: Scripted, order: str, page: int) -> None:
    bucket = opens(await scripted(Store(ORDERS[order], page=page).answer), KEYS)
    usage = Usage()
    shown = [one.key async for some in bucket.list_objects("p/", usage=usage) for one in some]
    assert shown == ORDERS[order]
    assert usage.objects == len(shown)


@pytest.mark.parametrize("page", [1, 7, 1000])
async def test_a_key_that_is_shown_twice_counts_once(opens: Opens, scripted: Scripted, page: int) -> None:
    keys = [*OURS[:20], *OURS[10:], *OURS[:3]]
    assert await keys_of(opens(await scripted(Store(keys, page=page).answer), KEYS)) == OURS


async def test_what_lies_before_the_key_to_go_on_after_is_not_shown(opens: Opens, scripted: Scripted) -> None:
    bucket = opens(await scripted(Store(OURS, page=7).answer), KEYS)
    assert await keys_of(bucket, OURS[19]) == OURS[20:]
    backwards = opens(await scripted(Store(OURS[::-1], page=7).answer), KEYS)
    assert await keys_of(backwards, OURS[19]) == OURS[:19:-1]


async def test_the_first_version_of_list_goes_on_behind_the_last_key_of_a_page(
    opens: Opens, scripted: Scripted
) -> None:
    async def answer(request: web.Request) -> web.Response:
        start = ORDERS["shuffled 1"].index(request.query["marker"]) + 1 if "marker" in request.query else 0
        store = Store(ORDERS["shuffled 1"][start:], page=7)
        return await store.answer(request)

    bucket = opens(await scripted(answer), KEYS, dialect=Dialect(list_version=1))
    assert await keys_of(bucket) == ORDERS["shuffled 1"]


@pytest.mark.parametrize("names", [["p/a"], ["p/b", "p/a"], ["p/a", "p/a"]])
async def test_the_same_page_for_ever_ends(opens: Opens, scripted: Scripted, names: list[str]) -> None:
    numbers = count(1)

    async def answer(_: web.Request) -> web.Response:
        rows = "".join(f"<Contents><Key>{name}</Key><Size>1</Size></Contents>" for name in names)
        token = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{next(numbers)}</NextContinuationToken>"
        return web.Response(text=f"<ListBucketResult>{token}{rows}</ListBucketResult>")

    bucket = opens(await scripted(answer), KEYS)
    with pytest.raises(Unavailable, match="without showing anything"):
        await keys_of(bucket)
    assert next(numbers) == 102


async def test_two_pages_in_turn_for_ever_end(opens: Opens, scripted: Scripted) -> None:
    async def answer(request: web.Request) -> web.Response:
        here = request.query.get("continuation-token", "a")
        other = "b" if here == "a" else "a"
        return web.Response(
            text=f"<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>{other}"
            f"</NextContinuationToken><Contents><Key>p/{here}</Key><Size>1</Size></Contents></ListBucketResult>"
        )

    with pytest.raises(Unavailable, match="how it goes on"):
        await keys_of(opens(await scripted(answer), KEYS))


@pytest.mark.parametrize("said", ["true", "True", " TRUE\n", "1"])
async def test_a_page_that_says_that_more_follows_is_not_the_last(opens: Opens, scripted: Scripted, said: str) -> None:
    async def answer(request: web.Request) -> web.Response:
        first = "continuation-token" not in request.query
        more = f"<IsTruncated>{said}</IsTruncated><NextContinuationToken>t</NextContinuationToken>" if first else ""
        key = "p/a" if first else "p/b"
        return web.Response(
            text=f"<ListBucketResult>{more}<Contents><Key>{key}</Key><Size>1</Size></Contents></ListBucketResult>"
        )

    assert await keys_of(opens(await scripted(answer), KEYS)) == ["p/a", "p/b"]


@pytest.mark.parametrize(
    ("facts", "modified_at", "etag"),
    [
        ("<LastModified>Fri, 20 Nov 2026 10:00:00 GMT</LastModified><Size>5</Size>", 1_795_168_800.0, ""),
        ("<LastModified>2026-11-20 10:00:00 UTC</LastModified><Size> 5 </Size>", 1_795_168_800.0, ""),
        ("<LastModified>1795168800</LastModified><Size>5</Size><ETag>W/&quot;e&quot;</ETag>", 1_795_168_800.0, "e"),
        ("<LastModified></LastModified><Size>5</Size><ETag/>", None, ""),
        ("<LastModified>yesterday</LastModified><Size>5</Size>", None, ""),
        ("<LastModified>0001-01-01T00:00:00Z</LastModified><Size>5</Size>", None, ""),
        (f"<LastModified>{'9' * 20_000}</LastModified><Size>5</Size>", None, ""),
        (f"<Size>5</Size><ETag>{'e' * 20_000}</ETag>", None, ""),
        ("<Size>5</Size>", None, ""),
        ("<Size>5</Size><ETag>&quot;e&quot;</ETag><LastModified>Fri, 99 Foo</LastModified>", None, "e"),
    ],
)
async def test_an_odd_time_or_etag_is_absent_and_spoils_no_listing(
    opens: Opens, scripted: Scripted, facts: str, modified_at: float | None, etag: str
) -> None:
    bucket = opens(await scripted(Store(OURS[:1], facts=lambda _: facts).answer), KEYS)
    assert await listed(bucket) == [ListedObject(OURS[0], 5, etag, modified_at)]


@pytest.mark.parametrize("size", ["", "<Size></Size>", "<Size>many</Size>", "<Size>-1</Size>", "<Size>1.5</Size>"])
async def test_a_size_that_the_listing_does_not_say_is_asked_for(opens: Opens, scripted: Scripted, size: str) -> None:
    usage = Usage()
    store = Store([OURS[0], "p/x/"], facts=lambda _: size)
    bucket = opens(await scripted(store.answer), KEYS)
    (page,) = [page async for page in bucket.list_objects("p/", usage=usage)]
    assert [one.size_bytes for one in page] == [77, 0]
    assert usage.requests == 2


async def test_a_listing_without_any_sizes_is_no_listing(opens: Opens, scripted: Scripted) -> None:
    keys = [f"p/{number:04d}" for number in range(500)]
    bucket = opens(await scripted(Store(keys, facts=lambda _: "").answer), KEYS)
    with pytest.raises(Unavailable, match="how large"):
        await keys_of(bucket)


def test_a_page_of_a_hundred_thousand_keys_is_read_and_one_of_ever_more_is_not() -> None:
    page = PageReader()
    page.feed(b"<ListBucketResult>")
    rows = b"<Contents><Key>k</Key></Contents>" * 1000
    for _ in range(100):
        page.feed(rows)
    assert len(page.objects) == 100_000
    with pytest.raises(NotAListing):
        page.feed(rows * 101)


async def test_the_audit_compares_no_listing_that_is_out_of_order(opens: Opens, scripted: Scripted) -> None:
    async def pages(after: str) -> list[Filed]:
        return []

    async def owner(key: str) -> Holder | None:
        return None

    good = opens(await scripted(Store(OURS, page=7).answer), KEYS)
    assert len([one async for one in compare(good, "p/", pages, owner, Usage(), Compared())]) == len(OURS)
    other = opens(await scripted(Store(OURS[::-1], page=7).answer), KEYS)
    with pytest.raises(Unavailable, match="order"):
        _ = [one async for one in compare(other, "p/", pages, owner, Usage(), Compared())]


BITS = st.sampled_from(["<Contents>", "</Contents>", "<Key>", "</Key>", "&#x1;", "&", "&amp;", "&#xd800;", "\x01", "k"])


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.one_of(BITS, st.text(max_size=8)), max_size=30), st.booleans(), st.integers(1, 9))
def test_a_page_of_any_text_is_read_or_is_no_listing(parts: list[str], repaired: bool, bite: int) -> None:
    body = f"<ListBucketResult>{''.join(parts)}</ListBucketResult>".encode("utf-8", "replace")
    page = PageReader(repaired=repaired)
    try:
        for start in range(0, len(body), bite):
            page.feed(body[start : start + bite])
        page.close()
    except NotAListing:
        return
    page.decoded("p/")
    assert page.truncated in (True, False)


@given(st.text(max_size=60), st.integers(1, 7))
def test_repair_leaves_good_xml_as_it_is_wherever_it_is_cut(text: str, bite: int) -> None:
    good = "".join(one for one in text if one >= " " and one not in "\ufffe\uffff&") + "&amp;&#x41;&#10;"
    repair, body = Repair(), good.encode()
    pieces = [repair.feed(body[start : start + bite], last=False) for start in range(0, len(body), bite)]
    assert "".join([*pieces, repair.feed(b"", last=True)]) == good


async def test_a_recording_whose_listing_has_no_times_is_as_new_as_its_last_slice(
    opens: Opens, scripted: Scripted
) -> None:
    store = Store([*OURS, f"p/{'c' * 32}_room.m3u8"], facts=lambda _: "<Size>188</Size>")
    (found,), strangers = find_recordings(await listed(opens(await scripted(store.answer), KEYS)))
    assert (found.slices, strangers) == (30, 0)
    assert found.last_at is not None
    assert not found.expectation(found.last_at + 60).end_proven
    assert found.expectation(found.last_at + 86_400).end_proven
