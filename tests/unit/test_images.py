"""Whatever the bytes are: an upright RGB array, or an ImageError with a counted reason."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, features

from elenco.errors import ImageError
from elenco.faces.images import decode, encode_jpeg, probe

CAP = 40.0
LARGE = (240, 360)  # pixels: an eighth has whole blocks of DCT, and colours end where blocks do


def encoded(image: Image.Image, kind: str = "JPEG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(width: int, height: int) -> bytes:
    """A PNG whose header claims a size that its data do not have."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def reason(data: bytes, cap: float = CAP, longest: int | None = None) -> str:
    with pytest.raises(ImageError) as error:
        decode(data, cap, longest)
    assert "\n" not in str(error.value)
    return error.value.reason


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    """60x90, red at the top left, green at the top right, blue below: no symmetry."""
    pixels = np.zeros((90, 60, 3), np.uint8)
    pixels[:30, :30] = 220, 30, 30
    pixels[:30, 30:] = 30, 200, 30
    pixels[30:] = 30, 30, 210
    return Image.fromarray(pixels)


def near(a: np.ndarray, b: np.ndarray, tolerance: float = 6) -> bool:
    """Equal but for compression: in the mean, edges apart."""
    return a.shape == b.shape and float(np.abs(a.astype(float) - b).mean()) < tolerance


KINDS = ["JPEG", "PNG", "WEBP", "GIF", "BMP"] + (["AVIF"] if features.check("avif") else [])


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_gives_the_same_picture(picture, kind):
    data = encoded(picture, kind)
    assert near(decode(data, CAP), np.asarray(picture))
    assert probe(data, CAP) == (kind, 60, 90)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", [0.03, 0.3, 0.6])
def test_what_ends_early_is_truncated(kind, part):
    noise = np.random.default_rng(0).integers(0, 256, (80, 70, 3), np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    assert reason(data[: int(len(data) * part)]) == "truncated"
    assert reason(data[: int(len(data) * part)], longest=40) == "truncated"


@pytest.mark.parametrize("longest", [None, 80, 40])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}])
def test_a_jpeg_without_its_end_is_no_half_grey_picture(options, longest):
    noise = np.random.default_rng(0).integers(0, 256, (80, 70, 3), np.uint8)
    data = encoded(Image.fromarray(noise), **options)
    assert reason(data[:-2], longest=longest) == "truncated"
    assert reason(data[:-1], longest=longest) == "truncated"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html>404 not found</html>", "not_an_image"),
        (b"\0" * 5000, "not_an_image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n", "not_an_image"),
        (b"\xff\xd8\xff", "truncated"),
        (b"RIFF\x24\0\0\0WEBPVP8 ", "truncated"),
        (png(10_000, 9_900), "too_large"),
        (png(60_000, 60_000), "too_large"),
        (png(2**31 - 1, 2**31 - 1), "too_large"),
        (png(300, 400), "truncated"),
        (png(0, 400), "truncated"),
    ],
)
def test_what_is_no_picture_says_why(data, expected):
    assert reason(data) == expected


def test_the_cap_is_checked_before_decoding(picture):
    data = encoded(picture)
    assert reason(data, 60 * 90 / 1e6 - 1e-6) == "too_large"
    with pytest.raises(ImageError, match="too_large"):
        probe(data, 0.001)
    assert decode(data, 60 * 90 / 1e6).shape == (90, 60, 3)


@pytest.mark.parametrize("size", [(1, 1), (19, 400), (400, 19)])
def test_a_side_under_20_pixels_is_too_small(size):
    assert reason(encoded(Image.new("RGB", size), "PNG")) == "too_small"
    assert reason(encoded(Image.new("RGB", size)), longest=1) == "too_small"
    assert decode(encoded(Image.new("RGB", (20, 20)), "PNG"), CAP).shape == (20, 20, 3)


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK", "YCbCr"])
def test_other_colour_models_become_rgb(mode):
    grey = np.linspace(0, 255, 80 * 80).reshape(80, 80).astype(np.uint8)
    rgb = np.repeat(grey[..., None], 3, 2)
    kind = "JPEG" if mode in ("L", "CMYK", "YCbCr") else "PNG"
    image = Image.fromarray(rgb)
    image = image.quantize(256) if mode == "P" else image.convert(mode)
    assert image.mode == mode
    found = decode(encoded(image, kind), CAP)
    assert abs(float(found.mean()) - float(rgb.mean())) < 4
    if mode != "1":
        assert near(found, rgb)


def cmyk(image: Image.Image) -> bytes:
    """CMYK without Adobe's segment."""
    data = encoded(image.convert("CMYK"), quality=95)
    start = data.index(b"\xff\xee")
    return data[:start] + data[start + 2 + int.from_bytes(data[start + 2 : start + 4], "big") :]


def ycck(image: Image.Image) -> bytes:
    """As Adobe writes it: the inverse of C, M and Y as Y, Cb and Cr, and K as it is stored."""
    inks = np.asarray(image.convert("CMYK"))
    stored = np.asarray(Image.fromarray(inks[..., :3]).convert("YCbCr"))
    planes = np.dstack([255 - stored, inks[..., 3]])  # Pillow inverts all four
    data = encoded(Image.frombytes("CMYK", image.size, planes.tobytes()), quality=95)
    transform = data.index(b"Adobe") + 11  # 2: YCCK (Adobe's technical note 5116)
    return data[:transform] + b"\x02" + data[transform + 1 :]


def sampled(factor: int):
    def write(image: Image.Image) -> bytes:
        options = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, factor]
        return cv2.imencode(".jpg", np.asarray(image)[..., ::-1], options)[1].tobytes()

    return write


JPEGS = {
    "4:4:4": lambda image: encoded(image, subsampling=0),
    "4:2:2": lambda image: encoded(image, subsampling=1),
    "4:2:0": lambda image: encoded(image, subsampling=2),
    "4:4:0": sampled(cv2.IMWRITE_JPEG_SAMPLING_FACTOR_440),
    "4:1:1": sampled(cv2.IMWRITE_JPEG_SAMPLING_FACTOR_411),
    "progressive": lambda image: encoded(image, progressive=True),
    "with restart markers": lambda image: encoded(image, restart_marker_blocks=3),
    "RGB": lambda image: encoded(image, keep_rgb=True),
    "grey": lambda image: encoded(image.convert("L")),
    "progressive grey": lambda image: encoded(image.convert("L"), progressive=True),
    "CMYK of Adobe": lambda image: encoded(image.convert("CMYK")),
    "CMYK": cmyk,
    "YCCK": ycck,
    "two pictures": lambda image: encoded(
        image, "MPO", save_all=True, append_images=[image.rotate(180)]
    ),
}


@pytest.mark.parametrize(("longest", "divisor"), [(None, 1), (180, 2), (90, 4), (45, 8)])
@pytest.mark.parametrize("kind", JPEGS)
def test_every_jpeg_gives_the_same_picture_at_every_size(picture, kind, longest, divisor):
    data = JPEGS[kind](picture.resize(LARGE, Image.Resampling.NEAREST))
    small = picture.resize((LARGE[0] // divisor, LARGE[1] // divisor), Image.Resampling.NEAREST)
    if "grey" in kind:
        small = small.convert("L").convert("RGB")
    found = decode(data, CAP, longest)
    assert near(found, np.asarray(small))
    assert found.dtype == np.uint8
    assert found.flags.c_contiguous
    assert probe(data, CAP) == ("JPEG", *LARGE)


@pytest.mark.parametrize(
    ("size", "longest", "expected"),
    [
        ((240, 360), 361, (240, 360)),
        ((240, 360), 181, (240, 360)),
        ((240, 360), 179, (120, 180)),
        ((240, 360), 1, (30, 45)),
        ((361, 241), 181, (181, 121)),
        ((361, 241), 182, (361, 241)),
        ((353, 200), 45, (45, 25)),
        ((400, 38), 50, (400, 38)),  # half of it would be 19 pixels high
        ((39, 400), 50, (20, 200)),
        ((20, 20), 1, (20, 20)),
    ],
)
def test_a_jpeg_is_reduced_as_far_as_the_longest_side_allows(size, longest, expected):
    found = decode(encoded(Image.new("RGB", size)), CAP, longest)
    assert found.shape == (*expected[::-1], 3)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "JPEG"])
def test_other_formats_are_decoded_in_full(picture, kind):
    data = encoded(picture, kind)
    assert np.array_equal(decode(data, CAP, 30), decode(data, CAP))


def test_lossless_jpeg_is_decoded_in_full():
    """Mid-grey, all of whose differences are 0: one bit of 0 a pixel (ITU T.81, annex H)."""
    frame = struct.pack(">BHHB", 8, 90, 60, 1) + b"\x01\x11\x00"
    segments = [(0xC3, frame), (0xC4, b"\0\1" + bytes(16)), (0xDA, b"\x01\x01\x00\x01\0\0")]
    head = b"".join(struct.pack(">BBH", 255, m, len(part) + 2) + part for m, part in segments)
    data = b"\xff\xd8" + head + bytes(60 * 90 // 8) + b"\xff\xd9"
    for longest in (None, 45):
        assert np.array_equal(decode(data, CAP, longest), np.full((90, 60, 3), 128))


def test_16_bit_grey_keeps_its_range():
    grey = np.linspace(0, 65535, 80 * 80).reshape(80, 80).astype(np.uint16)
    found = decode(encoded(Image.fromarray(grey), "PNG"), CAP)
    assert near(found, np.repeat((grey >> 8).astype(np.uint8)[..., None], 3, 2), 1)


@pytest.mark.parametrize("channels", [3, 4])
def test_16_bit_colours_keep_their_range(picture, channels):
    deep = np.asarray(picture).astype(np.uint16)[..., ::-1] * 257
    deep = np.dstack([deep, np.full_like(deep[..., 0], 65535)])[..., :channels]
    data = cv2.imencode(".png", deep)[1].tobytes()
    assert data[24] == 16
    assert np.array_equal(decode(data, CAP), np.asarray(picture))


@pytest.mark.parametrize("colours", [2, 4, 16, 256])
@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP"])
def test_palettes_of_every_depth(picture, kind, colours):
    data = encoded(picture.quantize(colours), kind)
    assert np.array_equal(decode(data, CAP), np.asarray(picture.quantize(colours).convert("RGB")))


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("PNG", "RGBA"), ("PNG", "LA"), ("WEBP", "RGBA")]
    + [("AVIF", "RGBA")] * features.check("avif"),
)
def test_half_transparency_lets_half_the_white_through(picture, kind, mode):
    half = picture.convert(mode)
    half.putalpha(128)
    shades = np.asarray(picture.convert("L" if mode == "LA" else "RGB").convert("RGB"))
    assert near(decode(encoded(half, kind), CAP), (shades.astype(int) + 255) // 2)


def test_transparency_lies_over_white(picture):
    clear = picture.convert("RGBA")
    clear.putalpha(0)
    assert decode(encoded(clear, "PNG"), CAP).min() == 255
    palette = Image.new("P", (40, 40), 3)
    palette.putpalette([0, 0, 0] * 256)
    assert decode(encoded(palette, "PNG", transparency=3), CAP).min() == 255


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("JPEG", "BMP")])
def test_the_first_frame_of_an_animation(picture, kind):
    frames = [picture.rotate(180), picture.rotate(90)]
    data = encoded(picture, kind, save_all=True, append_images=frames)
    assert near(decode(data, CAP), np.asarray(picture))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("GIF", "BMP")])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone(picture, kind, orientation):
    # What a camera held so would have stored: the inverse of what EXIF 2.32 asks a viewer to do.
    stored = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a, -1),
    }[orientation](np.asarray(picture))
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(np.ascontiguousarray(stored)), kind, exif=exif)
    assert near(decode(data, CAP), np.asarray(picture))
    assert probe(data, CAP)[1:] == (60, 90)
    small = picture.resize((30, 45)) if kind == "JPEG" else picture
    assert near(decode(data, CAP, 45), np.asarray(small), 8)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0garbage",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"?" * 40,
        # A resolution of one byte of type UNDEFINED.
        b"Exif\0\0II*\0" + struct.pack("<IHHHIIHHIII", 8, 2, 282, 7, 1, 72, 296, 3, 1, 2, 0),
    ],
)
def test_damaged_exif_does_not_lose_the_picture(picture, exif):
    assert decode(encoded(picture, exif=exif), CAP).shape == (90, 60, 3)


def test_encode_decode_round_trip(picture):
    pixels = np.asarray(picture)
    assert near(decode(encode_jpeg(pixels), CAP), pixels, 2)
    assert encode_jpeg(pixels) == encode_jpeg(pixels.copy())


def test_what_no_jpeg_can_hold_is_too_large():
    with pytest.raises(ImageError, match="66000x20 pixels") as caught:
        encode_jpeg(np.zeros((20, 66000, 3), np.uint8))
    assert caught.value.reason == "too_large"
    assert decode(encode_jpeg(np.zeros((20, 65500, 3), np.uint8)), CAP).shape == (20, 65500, 3)


@given(st.binary(max_size=200))
def test_random_bytes_are_never_a_picture(data):
    with pytest.raises(ImageError):
        decode(data, CAP)
