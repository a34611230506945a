"""Decoding and encoding of pictures: the only place where bytes from outside become pixels.

Whatever the bytes are, the answer is an upright RGB array or an `ImageError` whose reason is one
of `empty`, `not_an_image`, `truncated`, `too_large`, `too_small`. The size is checked from the
header, before any pixel is decoded.
"""

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError, features

from elenco.errors import ImageError

Picture = UInt8[np.ndarray, "h w 3"]  # RGB
MIN_SIDE = 20  # pixels: the smallest face that MTCNN finds
LONGEST_JPEG_SIDE = 65500  # pixels, libjpeg's JPEG_MAX_DIMENSION
_FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "BMP"]
if features.check("avif"):
    from PIL import AvifImagePlugin as AvifImagePlugin  # Pillow does not look for it by itself

    _FORMATS.append("AVIF")
_LOOKS_LIKE_AN_IMAGE = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|BM|RIFF....WEBP|....ftypavi[fs]", re.DOTALL
)
# Bits from byte 20 at which a WebP's width and height are, how many, what to add (RFC 9649, 2.5).
_WEBP = {b"VP8X": (32, 56, 24, 1), b"VP8L": (8, 22, 14, 1), b"VP8 ": (48, 64, 14, 0)}
_EXIF = b"Exif\0\0"  # how a JPEG's EXIF block begins (EXIF 2.32, 4.7.2)
_ORIENTATION = 0x0112  # EXIF tag
# What to do to the stored pixels for each EXIF orientation (EXIF 2.32, 4.6.4), as Pillow names it.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = {5, 6, 7, 8}

# Pillow warns of pictures over 89 megapixels, for which the cap below answers, and of damaged EXIF
# blocks, of which a day's photographs hold many.
warnings.filterwarnings("ignore", module=r"PIL\.")
# Pillow keeps as many blocks of memory, of at most 16 MB, for the next picture: without the page
# faults a picture of 421x632 takes a seventh less time.
Image.core.set_blocks_max(4)


def probe(data: bytes, max_megapixels: float) -> tuple[str, int, int]:
    """Read a picture's header.

    Args:
        data: the file's bytes.
        max_megapixels: width x height allowed, in millions. Over 178 is always too large.

    Returns:
        Format (`JPEG`, `PNG`, `WEBP`, `GIF`, `BMP`, `AVIF`), and width and height in pixels of
        the upright picture, as `decode` would give it.

    Raises:
        ImageError: `empty`, `not_an_image`, `truncated` or `too_large`.
    """
    with _opened(data, max_megapixels) as image:
        width, height = image.size
        if _orientation(image) in _SIDEWAYS:
            width, height = height, width
        name = "JPEG" if image.format == "MPO" else str(image.format)
        return name, width, height


def decode(
    data: bytes, max_megapixels: float, longest: int | None = None
) -> UInt8[np.ndarray, "h w 3"]:
    """Decode a picture to read-only RGB, turned upright by its EXIF orientation.

    The first frame of an animation; transparency over white; CMYK by the Adobe convention of
    JPEG (inverted); 16-bit grey scaled to 8 bits. Colour profiles are not applied.

    Args:
        data: the file's bytes: JPEG, PNG, WebP, GIF, BMP or AVIF.
        max_megapixels: width x height allowed, in millions, checked before decoding.
        longest: pixels that the longer side needs to have: a JPEG is decoded at the smallest of
            1/8, 1/4, 1/2 and 1 of its size, sides rounded up, at which it has as many and no side
            is under 20. Other formats, and lossless JPEG, are decoded in full, as without it.

    Raises:
        ImageError: `empty`, `not_an_image`, `truncated` (the data end early or are damaged: never
            a half grey picture), `too_large`, or `too_small` (the file has a side under 20 pixels).
        MemoryError: there is too little for the picture.
    """
    with _opened(data, max_megapixels) as image:
        if min(image.size) < MIN_SIDE:
            raise ImageError("too_small", f"{image.width}x{image.height} pixels")
        try:
            if longest is not None:
                _reduce(image, data, longest)
            orientation = _orientation(image)
            rgb = _to_rgb(image)
            if orientation in _UPRIGHT:
                rgb = rgb.transpose(_UPRIGHT[orientation])
            rgb.load()  # here, not in numpy, which takes some errors for "no array"
            return np.asarray(rgb)
        except MemoryError:  # the picture may be fine
            raise
        except Exception as error:  # decoders raise almost anything on damaged data
            raise ImageError("truncated", _one_line(error)) from None


def encode_jpeg(rgb: UInt8[np.ndarray, "h w 3"], quality: int = 95) -> bytes:
    """Encode as JPEG with full colour resolution (4:4:4); the same pixels give the same bytes.

    Raises:
        ImageError: `too_large`: a JPEG has no room for so long a side.
    """
    if max(rgb.shape[:2]) > LONGEST_JPEG_SIDE:
        raise ImageError("too_large", f"{rgb.shape[1]}x{rgb.shape[0]} pixels: no JPEG can be so")
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


@contextmanager
def _opened(data: bytes, max_megapixels: float) -> Iterator[Image.Image]:
    """Read the header and check the size; no pixel is decoded yet."""
    if not data:
        raise ImageError("empty", "zero bytes")
    if data[:4] == b"RIFF" and data[12:16] in _WEBP:  # Pillow takes the memory when it opens it
        across, down, bits, more = _WEBP[data[12:16]]
        header = int.from_bytes(data[20:30], "little")
        width, height = ((header >> at) % 2**bits + more for at in (across, down))
        _check_size(width, height, max_megapixels)
    try:
        image = _open(data)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError("too_large", _one_line(error)) from None
    except MemoryError:
        raise
    except Exception as error:
        if _LOOKS_LIKE_AN_IMAGE.match(data):
            raise ImageError("truncated", f"{_one_line(error)} in {len(data)} bytes") from None
        raise ImageError("not_an_image", f"starts with {data[:16]!r}") from None
    with image:
        _check_size(*image.size, max_megapixels)
        yield image


def _check_size(width: int, height: int, max_megapixels: float) -> None:
    if width * height > max_megapixels * 1e6:
        detail = f"{width}x{height} pixels, over {max_megapixels:g} megapixels"
        raise ImageError("too_large", detail)


def _open(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=_FORMATS)
    except UnidentifiedImageError:
        if not data.startswith(b"\xff\xd8\xff") or _EXIF not in data:
            raise
        # Pillow gives up a whole JPEG for some nonsense in EXIF's resolution: hide EXIF from it.
        return Image.open(io.BytesIO(data.replace(_EXIF, b"Exif\0?")), formats=_FORMATS)


def _orientation(image: Image.Image) -> int:
    """Read EXIF's orientation, 1..8; 1 where there is none or it can't be read."""
    if image.format == "PNG" and "exif" not in image.info:
        return 1  # Pillow would decode the whole picture to look for it
    try:
        value: Any = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # a damaged EXIF block says nothing about the pixels
        return 1
    return value if value in _UPRIGHT else 1


def _reduce(image: Image.Image, data: bytes, longest: int) -> None:
    """Have a JPEG decoded at a fraction of its size; other formats stay as they are."""
    # libjpeg does not scale lossless JPEG (SOF3, ITU T.81, B.1.1.3). By chance in metadata, its
    # marker does no harm: the picture is decoded in full.
    if b"\xff\xc3" in data:
        return
    for divisor in (8, 4, 2):
        width, height = (-(-side // divisor) for side in image.size)
        if max(width, height) >= longest and min(width, height) >= MIN_SIDE:
            image.draft(None, (image.width // divisor, image.height // divisor))
            return


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # Pillow's own conversion clips 16-bit values to 255
        high = np.clip(np.asarray(image) >> 8, 0, 255).astype(np.uint8)
        return Image.fromarray(high).convert("RGB")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")  # the same would be copied


def _one_line(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "no readable header"
    return " ".join(str(error).split()) or type(error).__name__
