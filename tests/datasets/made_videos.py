"""Small videos for tests: frames with their number as a bar code, written with PyAV."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

HEIGHT, WIDTH = 96, 128


def coded(number: int) -> np.ndarray:
    """A frame (96, 128, 3) RGB with its own texture position and its number as 8 white or black blocks on top."""
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    image = np.roll(cv2.GaussianBlur(noise, (0, 0), 4), number, axis=1).copy()
    for bit in range(8):
        image[4:16, 4 + 12 * bit : 14 + 12 * bit] = 255 if number >> bit & 1 else 0
    return image


def number_of(grey: np.ndarray) -> int:
    """What the bar code of a frame (H, W) says."""
    return sum(int(grey[10, 9 + 12 * bit] > 127) << bit for bit in range(8))


def write_video(
    path: Path,
    images,
    codec: str = "mpeg4",
    container: str | None = None,
    times=None,
    pixels: str = "",
    of_container=None,
    aspect=None,
    **options: str,
) -> Path:
    """Write images (H, W[, 3]), 30 a second or shown at `times` in seconds; aspect: of a pixel, as a Fraction."""
    first = images[0]
    colour = "rgb48le" if first.dtype == np.uint16 else "rgb24"
    stored = {2: "gray16le", 3: colour}[first.ndim]
    with av.open(str(path), "w", format=container, options=of_container or {}) as file:
        stream = file.add_stream(codec, rate=30, options=options)
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = pixels or "yuv420p"
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        if times is not None:
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for place, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format=stored)
            if times is not None:
                frame.pts, frame.time_base = round(1000 * times[place]), Fraction(1, 1000)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path
