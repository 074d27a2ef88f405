"""Determines the dialect of a store in at most eight requests (docs/verification.md, Vendors).

The configured dialect is tried first. If it fails, the other version of LIST, the other place of the bucket's name and
the old signature are tried. A working combination is reported for the settings and not remembered.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from service.buckets import Bucket
from service.buckets.vendors import AZURE, Dialect, resolve
from service.errors import OutsideError, Refused
from service.recording import Location
from service.report import ListedObject

Opens = Callable[[Location, Dialect], Bucket]


async def probe_dialect(opens: Opens, location: Location, dialect: Dialect, prefix: str) -> None:
    """Test whether the store lists, and returns only the requested part of an object. Raise `Refused` or `Unavailable`:
    the first failure if nothing works, or `Refused` with the settings that would work."""
    first: OutsideError | None = None
    for place, tried, told in _trials(location, dialect):
        bucket = opens(place, tried)
        try:
            found = await bucket.probe_read(prefix)
        except OutsideError as error:
            first = first or error
            continue
        if told:
            raise Refused("storage_dialect", f"the store does not answer as configured, but does with {told}")
        if found is not None:
            await _check_part(bucket, found)
        return
    assert first is not None, "what is configured is always tried"
    raise first


def _trials(location: Location, dialect: Dialect) -> Iterator[tuple[Location, Dialect, str]]:
    """Yield at most six combinations to try, in order, each with its settings."""
    yield location, dialect, ""
    if location.vendor == AZURE:
        return
    address = resolve(location, dialect)
    other_list = replace(dialect, list_version=1 if address.list_version == 2 else 2)
    moved = replace(location, path_style=not location.path_style)
    old = replace(dialect, signature="v4" if address.signature == "v2" else "v2")
    listed, placed = f"list_version = {other_list.list_version}", f"path_style = {str(moved.path_style).lower()}"
    signed = f'signature = "{old.signature}"'
    yield location, other_list, listed
    yield moved, dialect, placed
    yield moved, other_list, f"{placed}, {listed}"
    yield location, old, signed
    yield moved, old, f"{placed}, {signed}"


async def _check_part(bucket: Bucket, found: ListedObject) -> None:
    """Raise `Refused` unless the store and its listing agree on an object, and a requested part is that part alone."""
    headed = await bucket.head(found.key)
    part = await bucket.fetch(found.key, 2, span=(0, 0))
    if part is None:
        raise Refused("storage_dialect", "an object that was just listed is not there")
    if headed.size_bytes != found.size_bytes or part.size_bytes not in (None, found.size_bytes):
        raise Refused("storage_dialect", "listing and store disagree on the size of an object")
    if found.size_bytes > 0 and len(part.content) != 1:
        raise Refused("storage_dialect", "the store gives more of an object than the part asked for")
