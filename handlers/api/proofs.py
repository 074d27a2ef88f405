"""Evidence of a recording's files: verification reports, pictures, the signed manifest, and a playlist for players."""

from typing import Final

from aiohttp import web

from handlers.answers import recording_id
from handlers.keys import CALLER, OPERATIONS
from handlers.requests.decoding import read_query
from handlers.requests.payloads import ManifestQuery, ReportQuery, SpanQuery, span_of
from handlers.resources.evidence import render_report

ENVELOPE_TYPE: Final = "application/vnd.dsse.envelope+json"
BUNDLE_TYPE: Final = "application/zip"
PICTURE_TYPE: Final = "image/jpeg"
PLAYLIST_TYPE: Final = "application/vnd.apple.mpegurl"
_PRIVATE: Final = {"Cache-Control": "no-store"}


async def manifest(request: web.Request) -> web.Response:
    """Gives the manifest of the newest report of a bucket that could be read: an in-toto Statement in a DSSE envelope,
    signed with Ed25519.

    `pagereel manifest check FILE --key PUB` checks it without us. With `timestamp=true` the envelope's member
    `timestamps` holds what the RFC 3161 authority answers about the signature; it is empty where no good answer comes
    in time. 409 with the reason `not_judged`: the bucket was not read yet; with `signing_not_configured`: the
    service has no key; with `timestamp_not_configured`: it knows no authority.
    """
    stamped = read_query(request, ManifestQuery).get("timestamp") == "true"
    evidence = request.app[OPERATIONS].evidence
    body = await evidence.manifest(request[CALLER], recording_id(request), timestamp=stamped)
    return web.Response(body=body, content_type=ENVELOPE_TYPE, headers=_PRIVATE)


async def report(request: web.Request) -> web.Response:
    """Gives one look at the bucket as a whole: every finding, the timeline of all parts, what the look cost.

    404 with the reason `not_judged`: there is no such report.
    """
    asked = read_query(request, ReportQuery).get("number")
    number, found = await request.app[OPERATIONS].evidence.report(request[CALLER], recording_id(request), asked)
    return web.Response(body=render_report(number, found), content_type="application/json")


async def support_bundle(request: web.Request) -> web.Response:
    """Gives everything that is known of the recording as one ZIP archive without secrets, to ask for help.

    `pagereel support-bundle --replay FILE` replays its decisions, without service or database.
    """
    identity = recording_id(request)
    content = await request.app[OPERATIONS].bundles.make(request[CALLER], identity)
    name = f'attachment; filename="{identity}.zip"'
    return web.Response(body=content, content_type=BUNDLE_TYPE, headers={**_PRIVATE, "Content-Disposition": name})


async def poster(request: web.Request) -> web.Response:
    """Gives one picture of the recording as JPEG, at most 640 pixels wide: the liveliest that was sampled.

    404 with the reason `no_pictures`: no picture was looked at; a look from level `content` on makes one.
    """
    pictures = await request.app[OPERATIONS].evidence.pictures(request[CALLER], recording_id(request))
    return web.Response(body=pictures.poster, content_type=PICTURE_TYPE, headers=_PRIVATE)


async def contact_sheet(request: web.Request) -> web.Response:
    """Gives up to 24 small pictures, evenly spread over the recording, side by side as one JPEG.

    404 with the reason `no_pictures`: no picture was looked at; a look from level `content` on makes one.
    """
    pictures = await request.app[OPERATIONS].evidence.pictures(request[CALLER], recording_id(request))
    return web.Response(body=pictures.sheet, content_type=PICTURE_TYPE, headers=_PRIVATE)


async def playlist(request: web.Request) -> web.Response:
    """Gives one playlist over all attempts and failovers, with DISCONTINUITY where one recorder ends.

    Its slices are presigned links: secrets, which soon expire. A recording of more than 3000 is
    asked for in spans. 404 with the reason `no_slices`: there is none, or none of that time.
    """
    from_at, to_at = span_of(read_query(request, SpanQuery))
    text = await request.app[OPERATIONS].evidence.playlist(request[CALLER], recording_id(request), from_at, to_at)
    return web.Response(text=text, content_type=PLAYLIST_TYPE, headers=_PRIVATE)
