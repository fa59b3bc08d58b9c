"""Files for trying things out: small, made here, and what they claim to be as far as that goes. Pure."""

import struct
import zlib
from collections.abc import Callable
from functools import lru_cache

SAMPLES = ("photo", "voice", "document", "video", "animation", "audio", "sticker", "video_note")
PHOTO_SIZE = (960, 640)
STICKER_EMOJI = "👋"


@lru_cache
def sample_bytes(kind: str) -> bytes:
    """The bytes of the sample of that kind. KeyError for a kind that there is none of."""
    return _MAKERS[kind]()


def _photo() -> bytes:
    """A sunset: each row one colour, so that it is made and packed in a moment."""
    width, height = PHOTO_SIZE
    rows = []
    for row in range(height):
        part = row / height
        sea = part > 0.62
        colour = (
            (int(255 - 190 * part), int(150 - 60 * part), int(90 + 90 * part)) if not sea else (38, 74, 112)
        )
        line = bytearray(bytes(colour) * width)
        reach = int(90 - abs(row - height * 0.5))
        if reach > 0 and not sea:
            half = int((90**2 - (90 - reach) ** 2) ** 0.5)
            line[3 * (width // 2 - half) : 3 * (width // 2 + half)] = bytes((255, 226, 150)) * (2 * half)
        rows.append(b"\0" + bytes(line))
    return _png(width, height, b"".join(rows))


def _png(width: int, height: int, rows: bytes) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(rows, 6)), (b"IEND", b"")]
    packed = [
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def _document() -> bytes:
    """A PDF of one page with one line on it."""
    line = b"BT /F1 24 Tf 72 720 Td (Invoice 2041) Tj ET"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources 6 0 R >>",
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(line), line),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Font << /F1 5 0 R >> >>",
    ]
    body, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(body))
        body += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 7\n0000000000 65535 f \n"
    return body + head + table + b"trailer\n<< /Size 7 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % len(body)


def _wave() -> bytes:
    """A second of a soft tone as WAV: the one sound that needs no codec."""
    rate = 8000
    samples = bytes(128 + (n * 440 * 2 // rate % 2 * 2 - 1) * min(8, n // 50) for n in range(rate))
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + rate, b"WAVE", b"fmt ", 16, 1, 1, rate, rate, 1, 8,
                       b"data", rate)  # fmt: skip
    return head + samples


def _movie() -> bytes:
    """The head of an MP4; nothing plays it."""
    return struct.pack(">I4s4sI4s4s", 24, b"ftyp", b"isom", 512, b"isom", b"mp41") + b"\0\0\0\x08free"


def _sticker() -> bytes:
    """A WebP of one green pixel, without loss."""
    picture = bytes.fromhex("2f0000001007fd8ffe07030181fb1fd1ff00")
    chunk = b"VP8L" + struct.pack("<I", len(picture)) + picture
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


_MAKERS: dict[str, Callable[[], bytes]] = {
    "photo": _photo,
    "document": _document,
    "voice": _wave,
    "audio": _wave,
    "video": _movie,
    "animation": _movie,
    "video_note": _movie,
    "sticker": _sticker,
}
