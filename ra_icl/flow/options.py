"""The options of the flow: backend, schedule, and each schedule's parameters."""

from dataclasses import dataclass, field
from typing import Annotated, Literal, get_args

from ra_icl.options import Help, Options, above, at_least, below, between

Backend = Literal["numba", "opencv", "torch"]
BACKENDS = get_args(Backend)
SMALLEST_SIDE = 16  # pixels: a level of the pyramid with a shorter side is left out, as in OpenCV

# The parameters whose defaults differ between the two schedules.
InnerIterations = Annotated[int, at_least(1), Help("largest number of iterations between two median filters")]
OuterIterations = Annotated[int, at_least(1), Help("most rounds per warp; each starts with a median filter")]
ScaleStep = Annotated[float, above(0), below(1), Help("ratio between two pyramid levels")]
MedianFilter = Annotated[int, between(1, 5), Help("size of the median filter: 3, 5, or 1 to turn it off")]
Presmooth = Annotated[float, at_least(0), Help("standard deviation of a Gaussian on both images, in pixels; 0 is off")]
PyramidSmooth = Annotated[
    float, at_least(0), Help("that of the Gaussian before each reduction, times sqrt(1 / scale_step^2 - 1); 0 is off")
]


@dataclass(frozen=True)
class Schedule(Options):
    """The parameters of TV-L1; the defaults are those of OpenCV's DualTVL1.

    Raises ValueError for a median filter of even size.
    """

    tau: Annotated[float, above(0), Help("time step of the dual scheme")] = 0.25
    lambda_: Annotated[float, above(0), Help("weight of the data term; smaller is smoother")] = 0.15
    theta: Annotated[float, above(0), Help("tightness of the coupling")] = 0.3
    scales: Annotated[int, at_least(1), Help("pyramid levels; fewer if a side would fall below 16 pixels")] = 5
    warps: Annotated[int, at_least(1), Help("warps per pyramid level")] = 5
    epsilon: Annotated[
        float,
        above(0),
        Help("root mean square change of the flow, in pixels, below which a warp stops"),
    ] = 0.01
    inner_iterations: InnerIterations = 30
    outer_iterations: OuterIterations = 10
    gamma: Annotated[float, at_least(0), Help("weight of the illumination term, backend opencv only; 0 is off")] = 0.0
    scale_step: ScaleStep = 0.8
    median_filter: MedianFilter = 5
    presmooth: Presmooth = 0.0
    pyramid_smooth: PyramidSmooth = 0.0

    def __post_init__(self) -> None:
        if self.median_filter % 2 == 0:
            raise ValueError(f"median_filter is {self.median_filter}; choose 1, 3 or 5")


@dataclass(frozen=True)
class IpolSchedule(Schedule):
    """The same with the defaults of the method's reference code (Sánchez, Meinhardt-Llopis and Facciolo, IPOL 2013).

    Smoothed images, levels that halve, up to 300 iterations per warp and no median filter.
    """

    inner_iterations: InnerIterations = 300
    outer_iterations: OuterIterations = 1
    scale_step: ScaleStep = 0.5
    median_filter: MedianFilter = 1
    presmooth: Presmooth = 0.8
    pyramid_smooth: PyramidSmooth = 0.6


@dataclass(frozen=True)
class FlowOptions(Options):
    """How flow is computed. Raises ValueError for parameters that the backend does not have."""

    backend: Annotated[
        Backend,
        Help(
            "numba: compiled, exact warp, independent of OpenCV's version; torch: the same in batches, for a GPU; "
            "opencv: cv2.optflow.DualTVL1OpticalFlow, the reference"
        ),
    ] = "numba"
    schedule: Annotated[
        Literal["opencv", "ipol"],
        Help("which parameters to use: DualTVL1's defaults, or the reference code of the method's authors"),
    ] = "opencv"
    opencv: Annotated[Schedule, Help("the parameters of schedule opencv")] = field(default_factory=Schedule)
    ipol: Annotated[IpolSchedule, Help("the parameters of schedule ipol")] = field(default_factory=IpolSchedule)

    def __post_init__(self) -> None:
        used = self.parameters
        if used.gamma and self.backend != "opencv":
            raise ValueError(f"gamma is {used.gamma}; backend {self.backend} has no illumination term: set it to 0")
        if (used.presmooth or used.pyramid_smooth) and self.backend == "opencv":
            raise ValueError(f"schedule {self.schedule} smooths the images, which backend opencv cannot; take another")

    @property
    def parameters(self) -> Schedule:
        """Those of the chosen schedule."""
        return getattr(self, self.schedule)
