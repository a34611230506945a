"""Damaged and hostile files: an upright RGB array or an ImageError with a counted reason.

They are decoded in a child process whose memory is limited: a crash or a decompression bomb fails
its test and not the run.
"""

import io
import json
import resource
import struct
import subprocess
import sys
import traceback
import warnings
import zlib
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, features

from elenco.errors import ImageError
from elenco.faces.images import decode, probe

CAP = 40.0
# Bytes of address space that decoding may take; a WebP of 144 megapixels would take over 1 GiB.
ROOM = defaultdict(lambda: 2 << 30, {"bombs": 1 << 30, "little memory": 32 << 20})
REASONS = {"empty", "not_an_image", "truncated", "too_large", "too_small"}
OTHERS = ["PNG", "WEBP", "GIF", "BMP"] + (["AVIF"] if features.check("avif") else [])
BESIDE = {"exif", "icc", "mpo", "html"}  # mutations that leave the pixels alone
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs a limit of memory")
HTML = b"<!DOCTYPE html><html><script>alert(1)</script></html>"


def encoded(image: Image.Image, kind: str = "JPEG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def picture() -> Image.Image:
    rng = np.random.default_rng(0)
    blocks = np.kron(rng.integers(30, 226, (12, 9, 3)), np.ones((10, 10, 1), int))
    return Image.fromarray((blocks + rng.integers(-9, 10, blocks.shape)).astype(np.uint8))


def originals(kind: str) -> list[bytes]:
    """Whole files of 90x120 pixels, with all that a file of this kind may hold."""
    image, exif, options = picture(), Image.Exif(), {"append_images": [picture().rotate(180)]}
    exif[0x0112] = 6
    if kind == "JPEG":
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        return [
            encoded(image, exif=exif),
            encoded(image, progressive=True, exif=exif, icc_profile=profile),
            encoded(image.convert("L"), comment=b"grey"),
            encoded(image.convert("CMYK")),
            encoded(image, subsampling=0, restart_marker_blocks=4),
            encoded(image, "MPO", save_all=True, exif=exif, **options),
        ]
    whole = [encoded(image, kind)]
    if kind in ("PNG", "GIF", "BMP"):
        whole += [encoded(image.quantize(16), kind), encoded(image.convert("1"), kind)]
    if kind != "BMP":
        whole.append(encoded(image, kind, save_all=True, **options))
    if kind not in ("BMP", "GIF"):
        clear = image.copy()
        clear.putalpha(120)
        whole.append(encoded(clear, kind, exif=exif))
    return whole


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def segments(data: bytes) -> list[tuple[int, int]]:
    """Where the segments of a JPEG begin and end, up to the first scan's header."""
    found, at = [], 2
    while not found or data[found[-1][0] + 1] != 0xDA:
        found.append((at, at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")))
        at = found[-1][1]
    return found


def frame_at(data: bytes) -> int:
    return next(at for at, _ in segments(data) if data[at + 1] in (0xC0, 0xC1, 0xC2))


def any_of(rng, values):
    return values[int(rng.integers(len(values)))]


def flipped(rng, data, whole):
    data = bytearray(data)
    for at in rng.integers(0, len(data), rng.integers(1, 65)):
        data[at] ^= 1 << int(rng.integers(8))
    return data


def head_flipped(rng, data, whole):
    stop = segments(data)[-1][1]
    return flipped(rng, data[:stop], whole) + data[stop:]


def cut_short(rng, data, whole):
    """Anywhere, about where a segment begins or ends, or a few bytes early."""
    edge = any_of(rng, segments(data))[int(rng.integers(2))] + int(rng.integers(5))
    early = len(data) - int(rng.integers(1, 5))
    return data[: any_of(rng, [edge, early, int(rng.integers(len(data)))])]


def shuffled(rng, data, whole):
    """Segments left out, twice, in another order, or from another file."""
    other = any_of(rng, whole)
    parts = [data[a:b] for a, b in segments(data)]
    start, stop = sorted(int(i) for i in rng.integers(0, len(parts) + 1, 2))
    strange = [other[a:b] for a, b in segments(other)]
    way = int(rng.integers(4))
    if way == 0:
        del parts[start:stop]
    elif way == 1:
        parts[start:start] = parts[start:stop] * int(rng.integers(1, 200))
    elif way == 2:
        parts = [parts[int(i)] for i in rng.permutation(len(parts))]
    else:
        parts[start:stop] = strange[start:stop]
    return data[:2] + b"".join(parts) + data[segments(data)[-1][1] :]


def spliced(rng, data, whole):
    """The head of one file and the tail of another, or one within the other."""
    other = any_of(rng, whole)
    start, stop = (int(rng.integers(len(part))) for part in (data, other))
    return data[:start] + other[stop:] + (data[start:] if rng.random() < 0.5 else b"")


def overwritten(rng, data, whole):
    start, run = int(rng.integers(len(data))), int(rng.integers(1, 400))
    return data[:start] + any_of(rng, [b"\0", b"\xff", rng.bytes(1)]) * run + data[start + run :]


def resized(rng, data, whole):
    """Another size in the frame's header."""
    sides = [0, 1, 19, 20, 89, 91, 121, 4000, 32768, 65535]
    at = frame_at(data) + 5
    return data[:at] + struct.pack(">HH", any_of(rng, sides), any_of(rng, sides)) + data[at + 4 :]


def other_length(rng, data, whole):
    at = any_of(rng, segments(data))[0] + 2
    length = int.from_bytes(data[at : at + 2], "big")
    lengths = [0, 1, 2, 3, length - 1, length + 1, length + 90, 65535, int(rng.integers(65536))]
    return data[:at] + struct.pack(">H", any_of(rng, lengths)) + data[at + 2 :]


def restarts(rng, data, whole):
    """Thousands of restart markers, or intervals that the data do not keep to."""
    at = any_of(rng, [segments(data)[-1][1], int(rng.integers(2, len(data)))])
    many = b"".join(b"\xff" + bytes([0xD0 + i % 8]) for i in range(int(rng.integers(1, 5000))))
    interval = segment(0xDD, struct.pack(">H", any_of(rng, [0, 1, 3, 65535])))
    return data[:2] + any_of(rng, [b"", interval]) + data[2:at] + many + data[at:]


def tables(rng, data, whole):
    """Nonsense in the quantisation and Huffman tables, or more tables of it."""
    parts, (_, stop) = [], segments(data)[-1]
    for start, end in segments(data):
        part = data[start:end]
        if part[1] in (0xDB, 0xC4) and rng.random() < 0.5:
            left = int(rng.integers(4, len(part)))
            part = part[:left] + any_of(rng, [rng.bytes(len(part)), bytes(len(part))])[left:]
        parts.append(part)
    extra = segment(any_of(rng, [0xDB, 0xC4]), rng.bytes(int(rng.integers(200))))
    return data[:2] + any_of(rng, [b"", extra]) + b"".join(parts) + data[stop:]


def frame(rng, data, whole):
    """Another kind of frame, other components, or nonsense in the scan's header."""
    data = bytearray(data)
    at, (scan, end) = frame_at(data), segments(data)[-1]
    way = int(rng.integers(3))
    if way == 0:
        data[at + 1] = 0xC0 + int(rng.integers(16))
    elif way == 1:
        data[at + int(rng.integers(9, 10 + 3 * data[at + 9]))] = any_of(rng, [0, 1, 4, 0x44, 255])
    else:
        data[int(rng.integers(scan + 4, end))] = int(rng.integers(256))
    return data


def tiff(rng, *tags: int) -> bytes:
    """A TIFF directory with entries of any type, count and value; half the time a broken one."""
    entries = b""
    for tag in tags:
        count, limit = any_of(rng, [0, 1, 1, 2, 32, 2**31]), any_of(rng, [9, 300, 2**32])
        entries += struct.pack("<HHII", tag, rng.integers(15), count, rng.integers(limit))
    head, start, many, after = b"II*\0", 8, len(tags), 0
    if rng.random() < 0.5:
        head, many = any_of(rng, [head, b"MM\0*", b"II+\0"]), any_of(rng, [many, 0, 65535])
        start, after = any_of(rng, [8, 0, 4, 2**31, 2**32 - 1]), any_of(rng, [0, 8, 2**32 - 1])
    return head + struct.pack("<IH", start, many) + entries + struct.pack("<I", after)


def exif(rng, data, whole):
    body = any_of(rng, [rng.bytes(400), *[tiff(rng, 0x011A, 0x0128, 0x8769, 0x8825)] * 9])
    return data[:2] + segment(0xE1, b"Exif\0\0" + body) * any_of(rng, [1, 1, 9]) + data[2:]


def icc(rng, data, whole):
    count = rng.integers(0, 256, 2).astype(np.uint8).tobytes()
    body = b"ICC_PROFILE\0" + count + rng.bytes(int(rng.integers(900)))
    return data[:2] + segment(0xE2, body) * int(rng.integers(1, 300)) + data[2:]


def mpo(rng, data, whole):
    """An index of several pictures that points nowhere."""
    body = any_of(rng, [rng.bytes(200), *[tiff(rng, 0xB000, 0xB001, 0xB002)] * 9, b""])
    return data[:2] + segment(0xE2, b"MPF\0" + body + rng.bytes(int(rng.integers(99)))) + data[2:]


def html(rng, data, whole):
    """A web page too: in a comment, after the end, or in a segment of an application."""
    said = segment(any_of(rng, [0xFE, 0xEB, 0xED]), HTML * int(rng.integers(1, 1000)))
    return any_of(rng, [data[:2] + said + data[2:], data + HTML, data + b"PK\3\4" + HTML])


def in_front(rng, data, whole):
    """The picture after the first bytes of something else."""
    heads = [HTML, b"GIF89a", b"\x89PNG\r\n\x1a\n", b"RIFF\x40\0\0\0WEBPVP8 ", b"BM", b"\xff"]
    return any_of(rng, [*heads, b"\0"]) + data


JPEG_MUTATIONS = [
    flipped, head_flipped, cut_short, shuffled, spliced, overwritten, resized, other_length,
    restarts, tables, frame, exif, icc, mpo, html, in_front,
]  # fmt: skip


def cut_anywhere(rng, data, whole):
    return data[: int(rng.integers(len(data)))]


def numbers(rng, data, whole):
    """Absurd lengths and sizes near the beginning, where headers are."""
    data = bytearray(data)
    for at in rng.integers(0, min(400, len(data) - 4), rng.integers(1, 4)):
        data[at : at + 4] = struct.pack(">I", any_of(rng, [0, 1, 2**31 - 1, 2**32 - 1]))
    return data


OTHER_MUTATIONS = [flipped, cut_anywhere, spliced, overwritten, numbers, in_front]


def with_checksums(data: bytes) -> bytes:
    """A PNG with the checksums of what its chunks now hold: the decoder is to see it."""
    data, at = bytearray(data), 8
    while at + 12 <= len(data):
        stop = at + 8 + int.from_bytes(data[at : at + 4], "big")
        data[stop : stop + 4] = struct.pack(">I", zlib.crc32(data[at + 4 : stop]))
        at = stop + 4
    return bytes(data)


def mutated(kind: str, count: int):
    """Name and bytes of each mutated file; the same at every call."""
    rng, whole = np.random.default_rng(7), originals(kind)
    mutations = JPEG_MUTATIONS if kind == "JPEG" else OTHER_MUTATIONS
    for number in range(count):
        mutate, data = mutations[number % len(mutations)], any_of(rng, whole)
        changed = bytes(mutate(rng, data, whole))
        if kind == "PNG" and rng.random() < 0.7:
            changed = with_checksums(changed)
        yield mutate.__name__, changed


def verdict(data: bytes, longest: int) -> str:
    """`kept` or the reason; AssertionError where the answers are not what they say they are."""

    def answer(read, *options):
        try:
            return read(data, CAP, *options)
        except ImageError as error:
            refused = error
        assert refused.reason in REASONS
        assert "\n" not in str(refused)
        return refused.reason

    header, full, less = answer(probe), answer(decode), answer(decode, longest)
    if isinstance(full, str):
        assert full == less == (header if isinstance(header, str) else full)
        return full
    _, width, height = header
    assert full.dtype == less.dtype == np.uint8
    assert full.shape == (height, width, 3)
    assert less.shape in {(-(-height // s), -(-width // s), 3) for s in (1, 2, 4, 8)}
    assert min(less.shape[:2]) >= 20
    assert max(less.shape) >= min(longest, max(full.shape))
    return "kept"


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + bytes(4)


def bombs():
    """Small files that ask for much: name, bytes and the verdict."""
    image = picture()
    jpeg, gif, webp = (encoded(image, kind) for kind in ("JPEG", "GIF", "WEBP"))
    zeros = zlib.compress(bytes(30_000_000))

    def png(width, height, idat, extra=b""):
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        chunks = header + extra + chunk(b"IDAT", idat) + chunk(b"IEND", b"")
        return with_checksums(b"\x89PNG\r\n\x1a\n" + chunks)

    rows = zlib.compress(bytes(90 * 361))
    text, profile = chunk(b"zTXt", b"a\0\0" + zeros), chunk(b"iCCP", b"a\0\0" + zeros)
    yield "PNG of 2^31 x 2^31", png(2**31 - 1, 2**31 - 1, rows), "too_large"
    yield "PNG of 160 megapixels", png(16_000, 10_000, rows), "too_large"
    yield "PNG of 39 megapixels in 50 bytes", png(6000, 6500, rows), "truncated"
    yield "PNG with 30 MB too many", png(120, 90, zeros), "kept"
    yield "PNG with 30 MB of text", png(120, 90, rows, text), "truncated"
    yield "PNG with a profile of 30 MB", png(120, 90, rows, profile), "truncated"
    at = frame_at(jpeg) + 5
    # libjpeg fills up with grey what an end marker cuts off, and Pillow does not say so.
    for side, reason in ((65535, "too_large"), (4000, "kept")):
        size = struct.pack(">HH", side, side)
        yield f"JPEG of {side} x {side}", jpeg[:at] + size + jpeg[at + 4 :], reason
    yield "JPEG with 100,000 comments", jpeg[:2] + segment(0xFE, b"") * 100_000 + jpeg[2:], "kept"
    screen, rest = gif[:6], gif[10:]
    first = gif.index(b",\0\0\0\0", 13 + (3 << (gif[10] & 7) + 1))  # after the palette
    for side, reason in ((65535, "too_large"), (4000, "kept")):
        size = struct.pack("<HH", side, side)
        yield f"GIF on a canvas of {side} x {side}", screen + size + rest, reason
        reason = reason.replace("kept", "truncated")
        yield f"GIF, a frame of {side} x {side}", gif[: first + 5] + size + gif[first + 9 :], reason
    yield "GIF of 2000 frames", gif[:-1] + gif[first:-1] * 2000 + b";", "kept"
    comment = b"!\xfe" + (b"\xff" + b"x" * 255) * 20_000 + b"\0"
    yield "GIF with a comment of 5 MB", gif[:first] + comment + gif[first:], "kept"

    def animation(side, frames):
        canvas = struct.pack("<I", side - 1)[:3]
        size = struct.pack("<I", 89)[:3] + struct.pack("<I", 119)[:3]
        pictures = (bytes(6) + size + b"\x64\0\0\0" + webp[12:]) if frames else b""
        parts = [(b"VP8X", b"\2\0\0\0" + canvas * 2), (b"ANIM", bytes(6))]
        parts += [(b"ANMF", pictures)] * frames
        body = b"WEBP" + b"".join(n + struct.pack("<I", len(d)) + d for n, d in parts)
        return b"RIFF" + struct.pack("<I", len(body)) + body

    yield "WebP on a canvas of 16,384 x 16,384", animation(16_384, 3), "too_large"
    yield "WebP on a canvas of 12,000 x 12,000", animation(12_000, 3), "too_large"
    yield "WebP on a canvas of 4000 x 4000", animation(4000, 2000), "kept"
    yield "WebP without a frame", animation(100, 0), "truncated"
    if "AVIF" in OTHERS:
        avif = encoded(image, "AVIF")
        at = avif.index(b"ispe") + 8
        # libavif itself refuses what is over 268 megapixels, before it says the size.
        for side, reason in ((65535, "truncated"), (12_000, "too_large"), (4000, "kept")):
            size = struct.pack(">II", side, side)
            yield f"AVIF of {side} x {side}", avif[:at] + size + avif[at + 8 :], reason


def limit_memory(room: int) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + room
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def child(kind: str, count: int) -> dict:
    """What is said of each file; runs in the child."""
    if kind == "bombs":
        files = [(name, data) for name, data, _ in bombs()]
    elif kind == "little memory":
        files = [(kind, encoded(Image.new("RGB", (6000, 6500))))]
    else:
        files = list(mutated(kind, count))
    counts, faults = defaultdict(Counter), []
    limit_memory(ROOM[kind])
    with warnings.catch_warnings(record=True) as leaked:
        for number, (name, data) in enumerate(files):
            print(f"{kind} {number}: {name}, {len(data)} bytes", file=sys.stderr, flush=True)
            try:
                counts[name][verdict(data, longest=(20, 30, 60, 120)[number % 4])] += 1
            except BaseException:
                faults.append(f"{number}: {name}: {traceback.format_exc()}")
    return {"counts": counts, "faults": faults, "leaked": [str(w.message) for w in leaked]}


def asked(kind: str, count: int = 0) -> dict:
    """The child's answer; fails with its last words where it died."""
    command = [sys.executable, "-X", "faulthandler", "-W", "always", __file__, kind, str(count)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"died of {done.returncode} in {done.stderr[-3000:]}"
    return json.loads(done.stdout)


@pytest.mark.parametrize(("kind", "count"), [("JPEG", 1000), *((kind, 100) for kind in OTHERS)])
def test_a_mutated_file_is_a_picture_or_counted(kind, count):
    answer = asked(kind, count)
    assert answer["faults"] == []
    assert answer["leaked"] == []
    total = sum((Counter(verdicts) for verdicts in answer["counts"].values()), Counter())
    assert sum(total.values()) == count
    assert set(total) <= REASONS | {"kept"}
    assert total["kept"] > 0
    assert total["truncated"] > 0
    for name in BESIDE & set(answer["counts"]):
        assert set(answer["counts"][name]) == {"kept"}, name


def test_what_asks_for_much_is_refused_or_decoded_within_the_limit():
    answer = asked("bombs")
    assert answer["faults"] == []
    assert answer["leaked"] == []
    assert answer["counts"] == {name: {reason: 1} for name, _, reason in bombs()}


def test_too_little_memory_is_no_damaged_picture():
    (fault,) = asked("little memory")["faults"]
    assert fault.rstrip().endswith("MemoryError")


if __name__ == "__main__":
    print(json.dumps(child(sys.argv[1], int(sys.argv[2]))))
