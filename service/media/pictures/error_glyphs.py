"""The drawings at the top of Chromium's error pages, measured in pictures of Chromium 156.

They allow recognising such a drawing by its shape. A cell contains tenths of the drawing's usual contrast, in
hexadecimal; `a` is full ink. Sizes are in pixels of the page.
"""

from dataclasses import dataclass

CELLS = 16


@dataclass(frozen=True, slots=True)
class Glyph:
    """A drawing of `width` x `height` pixels in a place of `place` pixels. It begins `left` pixels before the place and
    ends `below` pixels under it. `own` is true if only Chromium shows it. Websites show the other drawings too."""

    cells: str
    width: int
    height: int
    place: int = 72
    left: int = 0
    below: int = 0
    own: bool = False


# A sad document, for network errors and for servers that answer without content.
DOCUMENT = Glyph(
    "aaaaaaaaaaaaa100"
    "a51111114a311850"
    "a50000003a200258"
    "a50045003a20005a"
    "a50068003a65557a"
    "a50045002666668a"
    "a50000000000005a"
    "a50000000000005a"
    "a50000000000005a"
    "a50000000000005a"
    "a50001888850005a"
    "a50046333347105a"
    "a50034000025105a"
    "a50000000000005a"
    "a62222222222226a"
    "9999999999999999",
    33,
    42,
    own=True,
)
# The same drawing for displays with two pixels for one of the page, redrawn with larger cells.
DOCUMENT_FINE = Glyph(
    "aaaaaaaaaaa30000"
    "a733333388366000"
    "a600000088046420"
    "a600110088001951"
    "a600a6008800006a"
    "a600a6008a99999a"
    "a60042003444447a"
    "a60000000000006a"
    "a60000000000006a"
    "a60000000000006a"
    "a60003777730006a"
    "a60045666654006a"
    "a60095000059006a"
    "a60000000000006a"
    "a73333333333337a"
    "aaaaaaaaaaaaaaaa",
    36,
    44,
    own=True,
)
# A sad folder: the page's process crashed.
FOLDER = Glyph(
    "0aaaa37aaa700000"
    "8222264222450000"
    "a000077666796660"
    "a000046666666664"
    "a00000000000000a"
    "a00000000000000a"
    "a00422000022400a"
    "a00161000016100a"
    "a00533000033500a"
    "a00000000000000a"
    "a00000000000000a"
    "a00008888500000a"
    "a00380000384200a"
    "a00000000004600a"
    "a22222222222222a"
    "aaaaaaaaaaaaaaaa",
    48,
    40,
    place=48,
    own=True,
)
# No network at all.
DINOSAUR = Glyph(
    "000000005aaaaa71"
    "00000000a69aaaa3"
    "00000000aaaaaaa3"
    "00000000aaaa9993"
    "00000000aaa83310"
    "23000004aaa55400"
    "35000169aa910000"
    "3a4029aaaaa83000"
    "3aa58aaaaa922000"
    "3aaaaaaaaa900000"
    "049aaaaaaa400000"
    "004aaaaaa7100000"
    "0005aaaa81000000"
    "1110694570111111"
    "3332641172333333"
    "0032660083000000",
    44,
    43,
    place=44,
    own=True,
)
# An untrusted certificate. The mark is white on both light and dark pages, hence two drawings.
TRIANGLE_LIGHT = Glyph(
    "0000000440000000"
    "0000000880000000"
    "0000004aa4000000"
    "0000008aa8000000"
    "000003aaaa300000"
    "000008aaaa800000"
    "00003aa77aa30000"
    "00008aa33aa80000"
    "0003aaa33baa3000"
    "0008aaa33aaa8000"
    "003aaaaabaaaa300"
    "008aaaa88aaaa800"
    "03aaaaa33aaaaa30"
    "07aaaaa77aaaaa80"
    "3aaaaaaaaaaaaaa3"
    "7aaaaaaaaaaaaaa7",
    66,
    56,
)
TRIANGLE_DARK = Glyph(
    "0000000440000000"
    "0000000880000000"
    "0000004aa4000000"
    "0000008aa8000000"
    "000004aaaa400000"
    "000008aaaa800000"
    "00003aacbaa30000"
    "00008aaed9a80000"
    "0003aaaed9aa3000"
    "0008aaaed99a8000"
    "003aaaa9999aa300"
    "008aaaaba9aaa800"
    "03aaaaaed9aaaa30"
    "08aaaaaba9aaaa70"
    "3aaaaaaa99aaaaa3"
    "7aaaaaaaa9aaaaa7",
    66,
    56,
)
# A certificate that is expired or not yet valid.
CLOCK_LIGHT = Glyph(
    "0000268aa8620000"
    "0006aaaaaaaa6000"
    "007aaaa99aaaa700"
    "06aaaaa57baaaa60"
    "2aaaaaa57dbaaaa2"
    "6aaaaaa57dcbaaa6"
    "8aaaaaa57dccaaa8"
    "aaaaaaa57dcccaaa"
    "aaaaaaa82acccbaa"
    "8aaaaaaa829cbbb9"
    "6aaaaaaaa829bbb6"
    "2aaaaaaaaa83bbb2"
    "06aaaaaaaaaabb60"
    "007aaaaaaaaaa800"
    "0006aaaaaaaa6000"
    "0000268aa8620000",
    64,
    64,
)
CLOCK_DARK = Glyph(
    "0000268aa8620000"
    "0006aaaaaaaa6000"
    "007aaaabbaaaa700"
    "06aaaaacb9aaaa60"
    "2aaaaaacb79aaaa2"
    "6aaaaaacb779aaa6"
    "8aaaaaacb7789aa8"
    "aaaaaaacb7888aaa"
    "aaaaaaabfa8888aa"
    "8aaaaaaabfa88898"
    "6aaaaaaaacfa8995"
    "2aaaaaaaaace9992"
    "06aaaaaaaaaa9950"
    "007aaaaaaaaaa700"
    "0006aaaaaaaa6000"
    "0000268aa8620000",
    64,
    64,
)
# A name that resembles another one; a form that is not secure.
CIRCLE = Glyph(
    "0000268aa8620000"
    "0006aa8668aa6000"
    "007a72000027a700"
    "06a5000000005a60"
    "2a700008800007a2"
    "6a200005500002a6"
    "8800000000000088"
    "a60000066000006a"
    "a60000088000006a"
    "8800000880000088"
    "6a200008800002a6"
    "2a700008800007a2"
    "06a5000000005a60"
    "007a72000027a700"
    "0006aa8668aa6000"
    "0000268aa8620000",
    60,
    60,
    left=6,
    below=6,
)
# No encryption.
LOCK = Glyph(
    "6100005999400000"
    "6810058213930000"
    "0681082000470000"
    "0068120000280000"
    "0007810000380000"
    "0019a8129aaaa900"
    "002aaa8129aaaa10"
    "002aaaa8129aaa10"
    "002aaaa98129aa10"
    "002aaaa268129a10"
    "002aaaa618812910"
    "002aaaaaaaa81210"
    "002aaaaaaaaa8100"
    "002aaaaaaaaaa810"
    "0006777777777881"
    "0000000000000067",
    71,
    71,
)
# A network that requires a login.
GLOBE = Glyph(
    "0000379a94169983"
    "0018aaaaa5378885"
    "018aaaaaa5048870"
    "07aaaaaaa5005720"
    "2aaaaa9872001200"
    "6aaaaa7000000000"
    "83aaaa7000000180"
    "903a900000000180"
    "9005955552000180"
    "81007aaaa5000180"
    "640018aaa5000460"
    "280007aaa8400920"
    "075005aaaaa56600"
    "0185003aaaa98100"
    "0018834aaaa71000"
    "0000379a97300000",
    69,
    64,
)
# A dangerous site, on red.
OCTAGON = Glyph(
    "00018aaaaaa81000"
    "0018aaaaaaaa8100"
    "018aaaaaaaaaa810"
    "18aaaaaaaaaaaa81"
    "8aaa95aaaa59aaa8"
    "aaaa50399305aaaa"
    "aaaaa303303aaaaa"
    "aaaaa93003aaaaaa"
    "aaaaa93003aaaaaa"
    "aaaaa303303aaaaa"
    "aaaa50399305aaaa"
    "8aaa95aaaa59aaa8"
    "18aaaaaaaaaaaa81"
    "018aaaaaaaaaa810"
    "0018aaaaaaaa8100"
    "00018aaaaaa81000",
    54,
    54,
    left=9,
    below=9,
)

GLYPHS = (
    DOCUMENT,
    DOCUMENT_FINE,
    FOLDER,
    DINOSAUR,
    TRIANGLE_LIGHT,
    TRIANGLE_DARK,
    CLOCK_LIGHT,
    CLOCK_DARK,
    CIRCLE,
    LOCK,
    GLOBE,
    OCTAGON,
)
