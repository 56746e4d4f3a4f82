"""Options of the face crops."""

from dataclasses import dataclass
from typing import Annotated, Literal

from ra_icl.options import Help, Options, at_least, below, between

NEED_MODEL = ("yunet", "lbf")


@dataclass(frozen=True)
class FaceOptions(Options):
    """How faces are found and cut; grey crops are (T, H, W), others (T, H, W, 3) in RGB order.

    Raises ValueError for a detector that lacks its model file.
    """

    size: Annotated[int, at_least(16), Help("side of the square crop in pixels, the network's input size")] = 224
    margin: Annotated[
        float,
        between(-0.25, 1),
        Help("added on each side of the detected face, as a fraction of its side; negative cuts tighter"),
    ] = 0.05
    detector: Annotated[
        Literal["haar", "mediapipe", "yunet", "lbf"],
        Help(
            "haar: OpenCV's bundled cascades; mediapipe: 468 landmarks, a package to install; "
            "yunet, lbf: OpenCV's, with the file `model`"
        ),
    ] = "haar"
    model: Annotated[str, Help("model file of yunet (.onnx) or lbf (.yaml)")] = ""
    choose: Annotated[
        Literal["largest", "most_central"],
        Help("which of several faces on the onset frame is the subject's: the largest, or the nearest to the middle"),
    ] = "largest"
    fallback: Annotated[
        Literal["error", "whole_frame"],
        Help("if no face is found on the onset frame: error stops, whole_frame crops nothing"),
    ] = "error"
    grey: Annotated[bool, Help("crops in grey, which is what TV-L1 sees")] = True
    bits: Annotated[
        Literal[8, 10, 12, 14, 16] | None,
        Help("bits that the grey levels of 16-bit frames use; null: the fewest of these that hold a sequence's"),
    ] = None
    missing_frames: Annotated[
        float,
        at_least(0),
        below(1),
        Help("largest fraction of a sequence's frames that may be missing; the onset must exist"),
    ] = 0.25
    stabilise: Annotated[
        Literal["none", "rigid"],
        Help("rigid removes the head's translation and rotation since the onset from every frame"),
    ] = "none"

    def __post_init__(self) -> None:
        if self.detector in NEED_MODEL and not self.model:
            raise ValueError(f"detector {self.detector} needs its model file; set faces.model to its path")
