"""Image files: their pixels with all grey levels, and what the decoder reports about them."""

import os
import re
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ra_icl.errors import FaultKind

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff"}
BITS = (8, 10, 12, 14, 16)

UNREADABLE = FaultKind(
    "frame-unreadable",
    "cannot be read ({reason})",
    "restore the frame",
    {"where": "/data/SAMM/006/006_1_2/006_05562.jpg", "reason": "Permission denied"},
)
NOT_WHOLE = FaultKind(
    "frame-not-whole",
    "is not a whole image{reason}",
    "restore the frame",
    {"where": "/data/SAMM/006/006_1_2/006_05562.png", "reason": " (CRC error in IDAT)"},
)
NOT_GREY_LEVELS = FaultKind(
    "frame-levels",
    "holds numbers of the type {kind}",
    "export the frames with 8 or 16 bits",
    {"where": "/data/own/p1/smile/img012.tif", "kind": "float32"},
)
NEGATIVE = FaultKind(
    "frame-negative",
    "has 16 bits and white as level 0 (WhiteIsZero), whose black level is not told",
    "export the frames with black as 0",
    {"where": "/data/own/p1/smile/img012.tif"},
)
TOO_BRIGHT = FaultKind(
    "frame-bits",
    "has a grey level of {level}, but faces.bits is {bits}, which ends at {full}",
    "raise faces.bits, or set it to null to have it found",
    {"where": "/data/own/p1/smile/img012.png", "level": 4012, "bits": 10, "full": 1023},
)

_PNG, _JPEG, _BMP, _TIFF = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM", (b"II*\0", b"MM\0*")
_PNG_COLOURS = (b"\2", b"\3", b"\6")  # types: RGB, palette, RGB with alpha
_MAGIC = (_PNG, _JPEG, _BMP, *_TIFF)
_PHOTOMETRIC = 262  # TIFF's tag PhotometricInterpretation
# What decoders print about damage; their other lines, such as those about colour profiles, say nothing of the pixels.
_DAMAGE = re.compile(
    r"Corrupt JPEG data: .*|Invalid SOS parameters.*|Premature end of JPEG.*|Inconsistent progression.*"
    r"|libpng error: .*|libpng warning: (?:IDAT|.*CRC).*|TIFF_Error.*|OpenCV TIFF.*: failed.*|imdecode_.*"
)
_OPENCV_LOG = re.compile(r"\[ ?(?:WARN|ERROR|INFO):|\s*$")  # says again what libtiff and libpng said


@dataclass(frozen=True)
class Picture:
    """A frame as it was read.

    image: (H, W), or (H, W, 3) RGB; uint8, or uint16 with the levels of the file. damage: what the decoder reports,
    empty if nothing. interlaced: whether it is stored as two fields, one after the other.
    """

    image: np.ndarray
    damage: str = ""
    interlaced: bool = False


def is_image(path: Path) -> bool:
    """Whether a file begins as a JPEG, PNG, BMP or TIFF image does; False if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(8).startswith(_MAGIC)
    except (OSError, ValueError):
        return False


def read_picture(path: Path, grey: bool | None) -> Picture:
    """Read an image file, levels as stored; grey: whether to convert it to grey or else to RGB, None for neither.

    Raises InputError if it is not a whole image of 8 or 16 bits, or is a negative of 16 bits that should be converted.
    """
    import cv2  # here, as a run is planned without it

    data = _bytes(path)
    if data.startswith(_PNG) and (fault := _png_fault(data)):
        raise NOT_WHOLE.error(path, reason=f" ({fault})")
    # The PNG decoder cuts levels off where it makes grey of colours; those of other files round them.
    rounded = bool(grey) and data.startswith(_PNG) and data[25:26] in _PNG_COLOURS
    converted = cv2.IMREAD_ANYDEPTH | (cv2.IMREAD_GRAYSCALE if grey and not rounded else cv2.IMREAD_COLOR)
    flag = cv2.IMREAD_UNCHANGED if grey is None else converted
    with _reports() as reports:
        # From memory, because imread returns a truncated JPEG as an image with a grey lower part.
        try:
            image = cv2.imdecode(np.frombuffer(data, np.uint8), flag) if data else None
        except cv2.error:  # a header with a size that cannot be
            image = None
        # Colours of floats cannot be converted, and are told apart from damage by reading them as they are.
        stored = _as_stored(data) if image is None else image
    if stored is not None and stored.dtype not in (np.uint8, np.uint16):
        raise NOT_GREY_LEVELS.error(path, kind=stored.dtype)
    if image is None:
        reasons = [report for report in reports if not report.startswith("imdecode_")]  # OpenCV's own code
        raise NOT_WHOLE.error(path, reason=f" ({reasons[0]})" if reasons else "")
    if grey is not None and image.dtype == np.uint16 and data.startswith(_TIFF) and _has_white_as_0(data):
        raise NEGATIVE.error(path)
    if rounded or grey is False:
        image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY if rounded else cv2.COLOR_BGR2RGB)
    return Picture(image, reports[0] if reports else "")


def _as_stored(data: bytes) -> np.ndarray | None:
    import cv2

    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    except cv2.error:
        return None


def has_16_bits(path: Path) -> bool:
    """Whether an image is stored with 16 bits a level. Raises InputError if it cannot be read."""
    data = _bytes(path)
    if data.startswith(_PNG):
        return data[24:25] == b"\x10"
    if data.startswith((_JPEG, _BMP)):
        return False
    return read_picture(path, grey=True).image.dtype.itemsize == 2


def bits_for(level: int) -> int:
    """The smallest of 8, 10, 12, 14 and 16 bits that holds a level of a 16-bit file."""
    return next(bits for bits in BITS if level < 1 << bits)


def to_8_bits(image: np.ndarray, bits: int, where: object) -> np.ndarray:
    """Scale the levels of a 16-bit image, of which `bits` are used, to 0..255; an 8-bit image stays as it is.

    By a shift, which undoes what writes 8 bits into 16, whether it shifts too or multiplies by 257. Raises InputError
    naming `where` for a level that the bits do not hold.
    """
    if image.dtype.itemsize == 1:
        return image
    require_bits(image, bits, where)
    return (image >> (bits - 8)).astype("uint8")


def require_bits(image: np.ndarray, bits: int, where: object) -> None:
    """Raise InputError naming `where` if a 16-bit image has a level that the bits do not hold."""
    if image.dtype.itemsize == 2 and (level := int(image.max())) >> bits:
        raise TOO_BRIGHT.error(where, level=level, bits=bits, full=(1 << bits) - 1)


def _png_fault(data: bytes) -> str:
    """What is wrong with the chunks of a PNG file; OpenCV believes their lengths, up to 4 GB, before it reads them."""
    view, place = memoryview(data), len(_PNG)
    while place < len(data):
        name, end = data[place + 4 : place + 8], place + 12 + int.from_bytes(data[place : place + 4])
        if end > len(data):
            break
        if zlib.crc32(view[place + 4 : end - 4]) != int.from_bytes(data[end - 4 : end]):
            return f"CRC error in {name.decode('ascii', 'backslashreplace')}"
        if name == b"IEND":
            return ""
        place = end
    return "its end is missing"


def _has_white_as_0(data: bytes) -> bool:
    """Whether a TIFF file says so in its first directory; OpenCV inverts such images of 8 bits, and not of 16."""
    order = "little" if data.startswith(b"II") else "big"

    def number(place: int, size: int = 2) -> int:
        return int.from_bytes(data[place : place + size], order)

    directory = number(4, 4)
    entries = range(directory + 2, directory + 2 + 12 * number(directory), 12)
    return any(number(entry) == _PHOTOMETRIC and number(entry + 8) == 0 for entry in entries)


def _bytes(path: Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UNREADABLE.error(path, reason=error.strerror) from error


@contextmanager
def _reports() -> Iterator[list[str]]:
    """What decoders print about damage inside, filled in at the end; lines of others are printed afterwards.

    libjpeg and libpng write to the process's standard error, past Python, and OpenCV offers no other way to hear them.
    """
    reports: list[str] = []
    if sys.stderr is not None:
        sys.stderr.flush()
    with tempfile.TemporaryFile() as file:
        try:
            kept = os.dup(2)
        except OSError:  # a process without standard error
            yield reports
            return
        os.dup2(file.fileno(), 2)
        try:
            yield reports
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            for line in file.read().decode(errors="replace").splitlines(keepends=True):
                found = _DAMAGE.search(line)
                if found:
                    reports.append(found[0].strip())
                elif not _OPENCV_LOG.match(line):
                    os.write(2, line.encode())
