"""The options of the flow: backend, schedule, and each schedule's parameters."""

from dataclasses import dataclass, field, fields

from ra_icl.options import require_choice

BACKENDS = ("numba", "opencv", "torch")
SMALLEST_SIDE = 16  # pixels: a level of the pyramid with a shorter side is left out, as in OpenCV


@dataclass(frozen=True)
class Schedule:
    """The parameters of TV-L1; the defaults are those of OpenCV's DualTVL1.

    tau, theta: step and tightness of the scheme; lambda_: weight of the data term, smaller is smoother.
    scales, scale_step: pyramid levels (fewer where a side would fall below 16 px) and the ratio between them;
    warps: warps per level. epsilon: threshold on the root mean square change of the flow in an iteration, which ends a
    warp; inner_iterations, outer_iterations: at most so many, with a median filter before each outer one.
    gamma: weight of the illumination term, 0 is off (backend opencv alone has it); median_filter: its size, 1 is off.
    presmooth: standard deviation of a Gaussian on both images, in pixels; pyramid_smooth: of the one before each
    reduction, times sqrt(1 / scale_step² - 1). 0 is off.
    Raises ValueError for a value out of range.
    """

    tau: float = 0.25
    lambda_: float = 0.15
    theta: float = 0.3
    scales: int = 5
    warps: int = 5
    epsilon: float = 0.01
    inner_iterations: int = 30
    outer_iterations: int = 10
    gamma: float = 0.0
    scale_step: float = 0.8
    median_filter: int = 5
    presmooth: float = 0.0
    pyramid_smooth: float = 0.0

    def __post_init__(self) -> None:
        require_choice("median_filter", self.median_filter, (1, 3, 5))
        for one in fields(self):
            _require_positive(one.name, getattr(self, one.name), one.type)
        if self.scale_step >= 1:
            raise ValueError(f"scale_step is {self.scale_step}; give a ratio below 1")


@dataclass(frozen=True)
class IpolSchedule(Schedule):
    """The same with the defaults of the method's reference code (Sánchez, Meinhardt-Llopis and Facciolo, IPOL 2013).

    Smoothed images, levels that halve, up to 300 iterations a warp and no median filter.
    """

    inner_iterations: int = 300
    outer_iterations: int = 1
    scale_step: float = 0.5
    median_filter: int = 1
    presmooth: float = 0.8
    pyramid_smooth: float = 0.6


@dataclass(frozen=True)
class FlowOptions:
    """How flow is computed.

    backend: numba (compiled, with an exact warp, whatever the version of OpenCV), torch (the same scheme for hundreds
    of pairs at once, on a GPU where there is one) or opencv (cv2.optflow.DualTVL1OpticalFlow, the reference).
    schedule: opencv or ipol, each with its parameters.
    Raises ValueError for a value out of range, and for parameters that the backend does not have.
    """

    backend: str = "numba"
    schedule: str = "opencv"
    opencv: Schedule = field(default_factory=Schedule)
    ipol: IpolSchedule = field(default_factory=IpolSchedule)

    def __post_init__(self) -> None:
        require_choice("backend", self.backend, BACKENDS)
        require_choice("schedule", self.schedule, ("opencv", "ipol"))
        used = self.parameters
        if used.gamma and self.backend != "opencv":
            raise ValueError(f"gamma is {used.gamma}; backend {self.backend} has no illumination term: set it to 0")
        if (used.presmooth or used.pyramid_smooth) and self.backend == "opencv":
            raise ValueError(f"schedule {self.schedule} smooths the images, which backend opencv cannot; take another")

    @property
    def parameters(self) -> Schedule:
        """Those of the chosen schedule."""
        return getattr(self, self.schedule)


def _require_positive(name: str, value: float, kind: type) -> None:
    """Raise ValueError unless `value` is a positive number of `kind`; some may be zero."""
    if kind is int and type(value) is not int:
        raise ValueError(f"{name} is {value!r}; give an integer")
    if type(value) not in (int, float):
        raise ValueError(f"{name} is {value!r}; give a number (YAML takes 1e-3 as text: write 0.001)")
    off = value == 0 and name in ("gamma", "presmooth", "pyramid_smooth")
    if not (value > 0 or off) or value == float("inf"):
        raise ValueError(f"{name} is {value}; give a positive number")
