"""What ffmpeg plays whole is whole, whatever its form; what ffmpeg does not play is not. ffmpeg decides each case."""

import codecs
import gzip

import m3u8
import pytest
from media_corpus import SID
from media_player import COUNT, END, FOLDER, HEAD, Recording, name, text

from service.report import Severity, Verdict

NAMES = [name("room", number) for number in range(COUNT)]
GOOD = text(NAMES)
LAST = f"#EXTINF:2.000000\n{NAMES[-1]}\n"


def durations(value: str) -> str:
    return text(NAMES, before=f"#EXTINF:{value}\n")


# Form: (playlist, the gravest finding besides notes)
PLAYED: dict[str, tuple[str | bytes, str | None]] = {
    "as Agora writes it": (GOOD, None),
    # Durations (case 02)
    "ten decimals": (durations("2.0000000000"), None),
    "seventeen decimals and a comma": (durations("2.00000000000000001,"), None),
    "a hundred thousand decimals": (durations("2." + "0" * 100_000), None),
    "no decimals": (durations("2,"), None),
    "a point and no decimals": (durations("2.,"), None),
    "leading zeros": (durations("0002.0,"), None),
    "blanks and a tab before the number": (durations(" \t2.0,"), None),
    "a title with commas": (durations("2.0,a, b"), None),
    "an exponent": (durations("2e0,"), "playlist_form"),
    "an exponent with a sign": (durations("0.2E+1,"), "playlist_form"),
    "a plus": (durations("+2.0,"), "playlist_form"),
    "a blank before the comma": (durations("2.0 ,"), "playlist_form"),
    "a semicolon after the number": (durations("2.0;"), "playlist_form"),
    "a decimal comma": (durations("2,0"), None),
    "no number": (durations(""), "playlist_duration_unreadable"),
    "a comma without a number": (durations(","), "playlist_duration_unreadable"),
    "a word for a number": (durations("two,"), "playlist_duration_unreadable"),
    "a negative number": (durations("-2.0,"), "playlist_duration_unreadable"),
    "not a number": (durations("nan,"), "playlist_duration_unreadable"),
    "an infinite number": (durations("inf,"), "playlist_duration_unreadable"),
    "a number of 300 digits": (durations("1" * 300), "playlist_duration_unreadable"),
    "two durations, of which the last counts": (durations("9,\n#EXTINF:2.0,"), None),
    # Lines (case 34)
    "a blank after the first line": (GOOD.replace("#EXTM3U", "#EXTM3U "), None),
    "tabs after the first line": (GOOD.replace("#EXTM3U", "#EXTM3U\t\t"), None),
    "a hundred thousand blanks after the first line": (GOOD.replace("#EXTM3U", "#EXTM3U" + " " * 100_000), None),
    "blanks after every line": (GOOD.replace("\n", "  \n"), None),
    "tabs after every line": (GOOD.replace("\n", "\t\n"), None),
    "CR and LF": (GOOD.replace("\n", "\r\n"), None),
    "CR alone": (GOOD.replace("\n", "\r"), None),
    "CR, CR and LF": (GOOD.replace("\n", "\r\r\n"), None),
    "empty lines": (GOOD.replace("\n", "\n\n \n"), None),
    "no end of the last line": (GOOD.rstrip("\n"), None),
    "NUL after the last line": (GOOD + "\0" * 500, "playlist_form"),
    "zero bytes between duration and name": (text(NAMES, before="#EXTINF:2.00000\0\0"), "playlist_form"),
    "zero bytes for line ends after the header": (HEAD + GOOD[len(HEAD) :].replace("\n", "\0"), "playlist_form"),
    "ENDLIST after a zero byte": (GOOD.replace("\n" + END, "\0" + END), "playlist_form"),
    "control characters in a comment": (GOOD.replace("#EXT-X-V", "# \x01\x7f\x85\n#EXT-X-V"), "playlist_form"),
    "a tab in a tag": (GOOD.replace("#EXT-X-V", "#EXT-X-OWN:\ta\n#EXT-X-V"), None),
    "Latin-1 in a comment": (GOOD.encode().replace(b"#EXT-X-V", b"# caf\xe9\n#EXT-X-V"), "playlist_form"),
    "line ends of Unicode in a comment": (GOOD.replace("#EXT-X-V", "# a\u2028b\u0085c\n#EXT-X-V"), "playlist_form"),
    "an unknown tag of 100,000 characters": (GOOD.replace("#EXT-X-V", f"#EXT-X-OWN:{'x' * 100_000}\n#EXT-X-V"), None),
    "a comment between duration and URI": (durations("2.0,\n# here it comes\n"), None),
    # Tags
    "the version twice": (GOOD.replace("#EXT-X-T", "#EXT-X-VERSION:3\n#EXT-X-T"), "playlist_tag_repeated"),
    "ENDLIST twice": (GOOD + END, "playlist_tag_repeated"),
    "ENDLIST with blanks": (GOOD.replace(END, "#EXT-X-ENDLIST \t\n"), None),
    "ENDLIST with a colon": (GOOD.replace(END, "#EXT-X-ENDLIST:\n"), None),
    "ENDLIST in the header": (text(NAMES, head=HEAD + END, end=""), "playlist_end_early"),
    "a slice after ENDLIST": (GOOD.replace(LAST, END + LAST).removesuffix(END), "playlist_end_early"),
    "no encryption": (GOOD.replace("#EXT-X-V", "#EXT-X-KEY:METHOD=NONE\n#EXT-X-V"), None),
    "no target duration": (GOOD.replace("TARGETDURATION:2", "MEDIA-SEQUENCE:7"), "playlist_target_duration"),
    "a target duration that is a word": (GOOD.replace("DURATION:2", "DURATION:two"), "playlist_target_duration"),
    "a version of three digits": (GOOD.replace("VERSION:3", "VERSION:003"), None),
}  # fmt: skip


@pytest.mark.parametrize("form", PLAYED)
def test_what_ffmpeg_plays_whole_is_verified(form: str) -> None:
    content, worst = PLAYED[form]
    recording = Recording(content)
    assert recording.is_played_whole()
    report = recording.judge()
    assert report.verdict is Verdict.VERIFIED
    assert {one.code for one in report.findings if one.severity is not Severity.NOTE} == ({worst} if worst else set())


LOST: dict[str, tuple[str | bytes, str]] = {
    "no EXTINF": (text(NAMES, before=""), "playlist_duration_absent"),
    "no EXTINF before one slice": (GOOD.replace(LAST, f"{NAMES[-1]}\n"), "playlist_duration_absent"),
    "EXTINF in small letters": (GOOD.replace("#EXTINF", "#extinf"), "playlist_duration_absent"),
    "EXTINF without its colon": (GOOD.replace("#EXTINF:", "#EXTINF "), "playlist_duration_absent"),
    "a blank before the colon": (GOOD.replace("#EXTINF:", "#EXTINF :"), "playlist_duration_absent"),
    "a byte order mark": ("\ufeff" + GOOD, "playlist_broken"),
    "UTF-16": (codecs.BOM_UTF16_LE + GOOD.encode("utf-16-le"), "playlist_broken"),
    "gzip without a header that says so": (gzip.compress(GOOD.encode()), "playlist_broken"),
    "a blank before the first line": (" " + GOOD, "playlist_broken"),
    "an empty line before the first line": ("\n" + GOOD, "playlist_broken"),
    "a word after the first line's": (GOOD.replace("#EXTM3U", "#EXTM3U x=1"), "playlist_broken"),
    "form feeds for line ends": (GOOD.replace("\n", "\f"), "playlist_broken"),
    "nothing by which a player knows HLS": (GOOD.replace("#EXT-X-TARGETDURATION:2\n", ""), "playlist_broken"),
    "a zero byte before what a player knows HLS by": (
        GOOD.replace("#EXT-X-V", "#\0\n#EXT-X-V"),
        "playlist_broken",
    ),
    "zero bytes for all line ends": (GOOD.replace("\n", "\0"), "playlist_broken"),
    "nothing at all": ("", "playlist_broken"),
    "a blank before one URI": (GOOD.replace(NAMES[2], " " + NAMES[2]), "playlist_uri_foreign"),
    "a no-break space after one URI": (GOOD.replace(NAMES[2], NAMES[2] + "\u00a0"), "playlist_uri_foreign"),
    "another folder": (GOOD.replace(NAMES[2], f"../other/{NAMES[2]}"), "playlist_uri_foreign"),
    "a folder below": (GOOD.replace(NAMES[2], f"below/{NAMES[2]}"), "playlist_uri_foreign"),
    "another recording": (GOOD.replace(NAMES[2], NAMES[2].replace(SID, "f" * 32)), "playlist_uri_foreign"),
}


@pytest.mark.parametrize("form", LOST)
def test_what_ffmpeg_does_not_play_whole_is_defective(form: str) -> None:
    content, code = LOST[form]
    recording = Recording(content)
    assert not recording.is_played_whole()
    report = recording.judge()
    assert report.verdict is Verdict.DEFECTIVE
    assert code in {one.code for one in report.findings if one.severity is Severity.ERROR}


# Channel name as it stands in the keys, URI of slice {} in the playlist (case 03).
FOUND: dict[str, tuple[str, str]] = {
    "a blank, encoded": ("room 42", "{sid}_room%2042_{utc}"),
    "a blank as it is": ("room 42", "{sid}_room 42_{utc}"),
    "two blanks, one of them encoded": ("a b c", "{sid}_a%20b c_{utc}"),
    "a per cent sign, encoded": ("100%", "{sid}_100%25_{utc}"),
    "an encoded blank in the key itself, encoded again": ("room%2042", "{sid}_room%252042_{utc}"),
    "a hash, encoded": ("c#", "{sid}_c%23_{utc}"),
    "a question mark, encoded": ("why?", "{sid}_why%3F_{utc}"),
    "a plus, which means itself": ("a+b", "{sid}_a+b_{utc}"),
    "a plus, encoded": ("a+b", "{sid}_a%2Bb_{utc}"),
    "letters of another alphabet": ("Größe", "{sid}_Größe_{utc}"),
    "letters of another alphabet, encoded": ("Größe", "{sid}_Gr%C3%B6%C3%9Fe_{utc}"),
    "small hex digits": ("Größe", "{sid}_Gr%c3%b6%c3%9fe_{utc}"),
    "letters encoded without need": ("room", "{sid}_%72%6F%6f%6D_{utc}"),
    "signs that a URI may hold": ("a&b=c;d,e~f(g)!$@", "{sid}_a&b=c;d,e~f(g)!$@_{utc}"),
    "a colon, encoded": ("a:b", "{sid}_a%3Ab_{utc}"),
    "a colon behind a path": ("a:b", "./{sid}_a:b_{utc}"),
    "quotes, brackets and braces": ("\"a\" 'b' [c] {{d}} |e|", "{sid}_\"a\" 'b' [c] {{d}} |e|_{utc}"),
    "a name that ends like a copy's": ("room_12_3", "{sid}_room_12_3_{utc}"),
    "underscores and points": ("a.b_c", "{sid}_a.b_c_{utc}"),
    "a query": ("room", "{sid}_room_{utc}?v=1"),
    "a fragment": ("room", "{sid}_room_{utc}#t=1"),
    "a path that goes nowhere": ("room", "./{sid}_room_{utc}"),
    "a path that goes up and comes back": ("room", f"../{FOLDER}{{sid}}_room_{{utc}}"),
}  # fmt: skip


def spelled(cname: str, uri: str) -> Recording:
    cname = cname.replace("{{", "{").replace("}}", "}")
    utcs = [name(cname, number).rpartition("_")[2] for number in range(COUNT)]
    return Recording(text([uri.format(sid=SID, utc=utc) for utc in utcs]), cname)


@pytest.mark.parametrize("form", FOUND)
def test_a_uri_that_leads_ffmpeg_to_the_slices_is_read(form: str) -> None:
    recording = spelled(*FOUND[form])
    assert recording.is_played_whole()
    report = recording.judge()
    assert (report.verdict, report.findings) == (Verdict.VERIFIED, ())


STRAY: dict[str, tuple[str, str]] = {
    "a colon as it is": ("a:b", "{sid}_a:b_{utc}"),
    "an encoded blank in the key, written as it is": ("room%2042", "{sid}_room%2042_{utc}"),
    "a hash as it is": ("c#", "{sid}_c#_{utc}"),
    "a question mark as it is": ("why?", "{sid}_why?_{utc}"),
    "a plus for a blank": ("a b", "{sid}_a+b_{utc}"),
    "an underscore for a blank": ("a b", "{sid}_a_b_{utc}"),
    "another host": ("room", "http://127.0.0.1:9/{sid}_room_{utc}"),
    "another host, without a scheme": ("room", "//127.0.0.1:9/{sid}_room_{utc}"),
    "a letter of another code page": ("Größe", "{sid}_Gr%F6%DFe_{utc}"),
    "encoded twice": ("room 42", "{sid}_room%252042_{utc}"),
    "letters without their accents": ("Größe", "{sid}_Grosse_{utc}"),
}


@pytest.mark.parametrize("form", STRAY)
def test_a_uri_that_leads_ffmpeg_past_the_slices_condemns(form: str) -> None:
    recording = spelled(*STRAY[form])
    assert recording.played_seconds() == 0
    report = recording.judge()
    assert report.verdict in (Verdict.DEFECTIVE, Verdict.INCOMPLETE)
    assert {one.code for one in report.findings} & {"playlist_uri_foreign", "slice_missing"}


# Other players lose something where ffmpeg does not: hls.js stops at a tag that is repeated with another value
# (playlistParsingError in its level parser), and passes over slices with EXT-X-GAP as RFC 8216bis asks for.
@pytest.mark.parametrize(
    ("content", "code"),
    [
        (GOOD.replace("#EXT-X-T", "#EXT-X-VERSION:4\n#EXT-X-T"), "playlist_tag_repeated"),
        (GOOD.replace(LAST, f"#EXT-X-GAP\n{LAST}"), "playlist_gap"),
    ],
)
def test_what_another_player_loses_is_defective(content: str, code: str) -> None:
    report = Recording(content).judge()
    assert report.verdict is Verdict.DEFECTIVE
    assert code in {one.code for one in report.findings if one.severity is Severity.ERROR}


@pytest.mark.parametrize(
    "tag",
    [
        '#EXT-X-KEY:METHOD=AES-128,URI="key"',
        '#EXT-X-MAP:URI="head.mp4"',
        "#EXT-X-BYTERANGE:1880@0",
        "#EXT-X-I-FRAMES-ONLY",
        "#EXT-X-STREAM-INF:BANDWIDTH=1",
        "#EXT-X-SKIP:SKIPPED-SEGMENTS=2",
    ],
)
def test_tags_that_change_what_is_played_are_not_judged(tag: str) -> None:
    report = Recording(GOOD.replace("#EXTINF", f"{tag}\n#EXTINF", 1)).judge()
    assert report.verdict is Verdict.UNREACHABLE
    assert "playlist_not_understood" in {one.code for one in report.findings}


SECOND_OPINION = [
    "as Agora writes it",
    "seventeen decimals and a comma",
    "an exponent",
    "CR and LF",
    "a slice after ENDLIST",
]


@pytest.mark.parametrize("form", SECOND_OPINION)
def test_the_m3u8_library_reads_the_same_slices(form: str) -> None:
    content = PLAYED[form][0]
    assert isinstance(content, str)
    read = m3u8.loads(content)
    files = {one.key: one for one in Recording(content).judge().files}
    assert [(FOLDER + one.uri, one.duration) for one in read.segments] == [
        (FOLDER + one, files[FOLDER + one].duration_seconds) for one in NAMES
    ]


def test_the_time_of_a_slice_without_a_duration_is_the_time_to_the_next_name() -> None:
    files = {one.key: one.duration_seconds for one in Recording(durations("two,")).judge().files}
    assert [files[FOLDER + one] for one in NAMES] == [2.0, 2.0, 2.0, 0.0]
