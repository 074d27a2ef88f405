"""Sealed values open with a live key and for their purpose only."""

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.database.sealing import SealError, Seals, make_key, make_key_file

KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
SEALS = Seals(KEY)
KEPT = (
    "40fc90d8e1c5bb23b3c9d6143565597e0909d47b0f8111d4e8ee1c665ab7dce38bcf714d6dfa34fcd5b39a35e80048c2f37c5ae6ea97b675ce"
)


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_what_is_sealed_opens_to_the_same_bytes(values: list[bytes]) -> None:
    assert [SEALS.open(SEALS.seal(value, "t.c"), "t.c") for value in values] == values
    assert [SEALS.open(sealed, "t.c") for sealed in SEALS.seal_many(values, "t.c")] == values


def test_a_value_sealed_by_this_version_opens_in_every_later_one() -> None:
    kept = bytes.fromhex(KEPT)
    assert SEALS.open(kept, "recordings.sealed") == b"https://example.org/?token=1"


def test_equal_values_look_different_and_show_nothing() -> None:
    value = b"https://user:secret@example.org/"
    many = {SEALS.seal(value, "t.c"), *SEALS.seal_many([value] * 9, "t.c")}
    assert len(many) == 10
    assert not any(b"secret" in sealed for sealed in many)


@pytest.mark.parametrize("at", [0, 1, 12, 13, -1])
def test_a_changed_bit_is_noticed(at: int) -> None:
    sealed = bytearray(SEALS.seal(b"value", "t.c"))
    sealed[at] ^= 1
    with pytest.raises(SealError):
        SEALS.open(bytes(sealed), "t.c")


def test_a_value_moved_to_another_column_does_not_open() -> None:
    with pytest.raises(SealError, match="moved"):
        SEALS.open(SEALS.seal(b"value", "recordings.sealed"), "notifications.body")


@pytest.mark.parametrize("sealed", [b"", b"\0", b"x" * 12])
def test_a_stump_does_not_open(sealed: bytes) -> None:
    with pytest.raises(SealError):
        SEALS.open(sealed, "t.c")


def test_a_key_is_rotated_without_losing_anything() -> None:
    old, new = make_key(), make_key()
    seals = Seals(old)
    sealed, kept = seals.seal(b"value", "t.c"), seals.keyed_hash(b"request")
    seals.use(new, old)
    assert seals.open(sealed, "t.c") == b"value"
    assert seals.same_hash(b"request", kept)
    fresh = seals.seal(b"later", "t.c")
    seals.use(new)
    assert seals.open(fresh, "t.c") == b"later"
    assert not seals.same_hash(b"request", kept)
    with pytest.raises(SealError, match=r"not live|does not open"):
        seals.open(sealed, "t.c")


def test_two_keys_with_one_id_are_rotated_like_any_others() -> None:
    """The id is a byte: one pair of keys in 256 shares it."""
    old = Seals(KEY)
    sealed, kept = old.seal(b"value", "t.c"), old.keyed_hash(b"request")
    twin = next(key for key in iter(make_key, "") if Seals(key).seal(b"", "t.c")[:1] == sealed[:1])
    seals = Seals(twin, KEY)
    assert seals.open(sealed, "t.c") == b"value"
    assert seals.open(seals.seal(b"later", "t.c"), "t.c") == b"later"
    assert seals.same_hash(b"request", kept)
    seals.use(twin)
    assert not seals.same_hash(b"request", kept)
    with pytest.raises(SealError, match="does not open"):
        seals.open(sealed, "t.c")


def test_a_keyed_hash_tells_requests_and_keys_apart() -> None:
    kept = SEALS.keyed_hash(b"request")
    assert SEALS.same_hash(b"request", kept)
    assert not SEALS.same_hash(b"another", kept)
    assert Seals(make_key()).keyed_hash(b"request") != kept


@pytest.mark.parametrize("keys", [(), ("short",), ("AAEC",), ("é" * 44,), (KEY, KEY), (KEY, KEY, KEY)])
def test_unusable_keys_are_refused(keys: tuple[str, ...]) -> None:
    with pytest.raises(SealError):
        Seals(*keys)


def test_a_key_file_is_made_once_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "key"
    key = make_key_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert make_key_file(path) == key
    Seals(key)
