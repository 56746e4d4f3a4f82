"""Options of the face crops."""

from dataclasses import dataclass

from ra_icl.options import require_choice

# Detectors, and whether each needs a model file.
DETECTORS = {"haar": False, "mediapipe": False, "yunet": True, "lbf": True}


@dataclass(frozen=True)
class FaceOptions:
    """How faces are found and cut.

    size: side of the square crop in pixels. margin: added on each side of the detector's box, as a
    fraction of the box; negative cuts tighter. detector: haar (OpenCV's bundled cascades), mediapipe
    (468 landmarks, a package of its own), yunet or lbf (OpenCV's, with the file `model`).
    fallback: where no face is found, error stops and whole_frame takes the frame as it is.
    grey: (T, H, W) crops; otherwise (T, H, W, 3) in RGB order.
    missing_frames: largest share of a sequence's frames that may be missing on disk.
    stabilise: none, or rigid: take the head's translation and turn since the onset out of each frame.
    Raises ValueError for a value out of range.
    """

    size: int = 224
    margin: float = 0.05
    detector: str = "haar"
    model: str = ""
    fallback: str = "error"
    grey: bool = True
    missing_frames: float = 0.25
    stabilise: str = "none"

    def __post_init__(self) -> None:
        require_choice("detector", self.detector, tuple(DETECTORS))
        require_choice("fallback", self.fallback, ("error", "whole_frame"))
        require_choice("grey", self.grey, (True, False))
        require_choice("stabilise", self.stabilise, ("none", "rigid"))
        if type(self.size) is not int or self.size < 16:
            raise ValueError(f"size is {self.size!r}; give an integer of 16 or more pixels")
        if type(self.margin) not in (int, float) or not -0.25 <= self.margin <= 1:
            raise ValueError(f"margin is {self.margin!r}; give a fraction from -0.25 to 1")
        if type(self.missing_frames) not in (int, float) or not 0 <= self.missing_frames < 1:
            raise ValueError(f"missing_frames is {self.missing_frames!r}; give a share from 0 to below 1")
        if DETECTORS[self.detector] and not self.model:
            raise ValueError(f"detector {self.detector} needs its model file; set faces.model to its path")
