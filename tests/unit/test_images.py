"""Whatever the bytes are: an upright RGB array, or an ImageError with a counted reason."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, features

from elenco.errors import ImageError
from elenco.faces.images import decode, encode_jpeg, probe

CAP = 40.0
REASONS = {"empty", "not_an_image", "truncated", "too_large", "too_small"}


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


def reason(data: bytes, cap: float = CAP) -> str:
    with pytest.raises(ImageError) as error:
        decode(data, cap)
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


def test_a_jpeg_without_its_end_is_no_half_grey_picture():
    noise = np.random.default_rng(0).integers(0, 256, (80, 70, 3), np.uint8)
    data = encoded(Image.fromarray(noise))
    assert reason(data[:-2]) == "truncated"


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


def test_inverted_cmyk_of_adobe_is_not_a_negative(picture):
    data = encoded(picture.convert("CMYK"))
    assert b"Adobe" in data[:64]
    assert near(decode(data, CAP), np.asarray(picture), 12)


def test_16_bit_grey_keeps_its_range():
    grey = np.linspace(0, 65535, 80 * 80).reshape(80, 80).astype(np.uint16)
    found = decode(encoded(Image.fromarray(grey), "PNG"), CAP)
    assert near(found, np.repeat((grey >> 8).astype(np.uint8)[..., None], 3, 2), 1)


def test_transparency_lies_over_white(picture):
    clear = picture.convert("RGBA")
    clear.putalpha(0)
    assert decode(encoded(clear, "PNG"), CAP).min() == 255
    palette = Image.new("P", (40, 40), 3)
    palette.putpalette([0, 0, 0] * 256)
    assert decode(encoded(palette, "PNG", transparency=3), CAP).min() == 255


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_the_first_frame_of_an_animation(picture, kind):
    frames = [picture.rotate(180), picture.rotate(90)]
    data = encoded(picture, kind, save_all=True, append_images=frames)
    assert near(decode(data, CAP), np.asarray(picture))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
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


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", b"?" * 40])
def test_damaged_exif_does_not_lose_the_picture(picture, exif):
    assert decode(encoded(picture, exif=exif), CAP).shape == (90, 60, 3)


def test_encode_decode_round_trip(picture):
    pixels = np.asarray(picture)
    assert near(decode(encode_jpeg(pixels), CAP), pixels, 2)
    assert encode_jpeg(pixels) == encode_jpeg(pixels.copy())


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_mutated_files_never_crash(kind):
    """Bits flipped, bytes replaced, pieces cut out: an array or an ImageError, nothing else."""
    rng = np.random.default_rng(7)
    pixels = np.kron(rng.integers(0, 256, (8, 8, 3), np.uint8), np.ones((6, 6, 1), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    options = {} if kind == "GIF" else {"exif": exif}
    data = encoded(Image.fromarray(pixels), kind, **options)
    survived, reasons = 0, set()
    for _ in range(300):
        mutated = bytearray(data)
        for at in rng.integers(0, len(data), rng.integers(1, 8)):
            mutated[at] = rng.choice([mutated[at] ^ (1 << rng.integers(8)), rng.integers(256)])
        if rng.random() < 0.3:
            start, stop = sorted(rng.integers(0, len(data), 2))
            del mutated[start:stop]
        for read in (decode, probe):
            try:
                answer = read(bytes(mutated), CAP)
            except ImageError as error:
                reasons.add(error.reason)
                continue
            if isinstance(answer, np.ndarray):
                assert answer.dtype == np.uint8
                assert answer.ndim == 3
                survived += 1
    assert survived > 0
    assert reasons <= REASONS


@given(st.binary(max_size=200))
def test_random_bytes_are_never_a_picture(data):
    with pytest.raises(ImageError):
        decode(data, CAP)
