"""Decoding and encoding of pictures: the only place where bytes from outside become pixels.

Whatever the bytes are, the answer is an upright RGB array or an `ImageError` whose reason is one
of `empty`, `not_an_image`, `truncated`, `too_large`, `too_small`. The size is checked from the
header, before any pixel is decoded.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError, features

from elenco.errors import ImageError

MIN_SIDE = 20  # pixels: the smallest face that MTCNN finds
_FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "BMP"]
if features.check("avif"):
    from PIL import AvifImagePlugin as AvifImagePlugin  # Pillow does not look for it by itself

    _FORMATS.append("AVIF")
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"BM")
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


def decode(data: bytes, max_megapixels: float) -> UInt8[np.ndarray, "h w 3"]:
    """Decode a picture to RGB, turned upright by its EXIF orientation.

    The first frame of an animation; transparency over white; CMYK by the Adobe convention of
    JPEG (inverted); 16-bit grey scaled to 8 bits. Colour profiles are not applied.

    Args:
        data: the file's bytes: JPEG, PNG, WebP, GIF, BMP or AVIF.
        max_megapixels: width x height allowed, in millions, checked before decoding.

    Raises:
        ImageError: `empty`, `not_an_image`, `truncated` (the data end early or are damaged: never
            a half grey picture), `too_large`, or `too_small` (a side under 20 pixels).
    """
    with _opened(data, max_megapixels) as image:
        if min(image.size) < MIN_SIDE:
            raise ImageError("too_small", f"{image.width}x{image.height} pixels")
        try:
            orientation = _orientation(image)
            rgb = _to_rgb(image)
            if orientation in _UPRIGHT:
                rgb = rgb.transpose(_UPRIGHT[orientation])
            return np.array(rgb, np.uint8)
        except Exception as error:  # decoders raise almost anything on damaged data
            raise ImageError("truncated", _one_line(error)) from None


def encode_jpeg(rgb: UInt8[np.ndarray, "h w 3"], quality: int = 95) -> bytes:
    """Encode as JPEG with full colour resolution (4:4:4); the same pixels give the same bytes."""
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


@contextmanager
def _opened(data: bytes, max_megapixels: float) -> Iterator[Image.Image]:
    """Read the header and check the size; no pixel is decoded yet."""
    if not data:
        raise ImageError("empty", "zero bytes")
    try:
        image = Image.open(io.BytesIO(data), formats=_FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError("too_large", _one_line(error)) from None
    except Exception as error:
        if _looks_like_an_image(data):
            raise ImageError("truncated", f"{_one_line(error)} in {len(data)} bytes") from None
        raise ImageError("not_an_image", f"starts with {data[:16]!r}") from None
    with image:
        if image.width * image.height > max_megapixels * 1e6:
            detail = f"{image.width}x{image.height} pixels, over {max_megapixels:g} megapixels"
            raise ImageError("too_large", detail)
        yield image


def _looks_like_an_image(data: bytes) -> bool:
    return (
        data.startswith(_MAGIC)
        or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")
        or (data[4:12] in (b"ftypavif", b"ftypavis"))
    )


def _orientation(image: Image.Image) -> int:
    """Read EXIF's orientation, 1..8; 1 where there is none or it can't be read."""
    if image.format == "PNG" and "exif" not in image.info:
        return 1  # Pillow would decode the whole picture to look for it
    try:
        value: Any = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # a damaged EXIF block says nothing about the pixels
        return 1
    return value if value in _UPRIGHT else 1


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # Pillow's own conversion clips 16-bit values to 255
        high = np.clip(np.asarray(image, np.int64) >> 8, 0, 255).astype(np.uint8)
        return Image.fromarray(high).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def _one_line(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "no readable header"
    return " ".join(str(error).split()) or type(error).__name__
