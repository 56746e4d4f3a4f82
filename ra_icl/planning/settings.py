"""The whole config as a tree of option classes; the stages' own options are declared where the stages are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, StringConstraints

from ra_icl.datasets.options import Casme2Options, Casme3Options, OwnOptions, SammOptions, SmicOptions
from ra_icl.datasets.protocols import CDE
from ra_icl.datasets.public_flow import PublishedOptions
from ra_icl.faces.options import FaceOptions
from ra_icl.flow.options import FlowOptions
from ra_icl.flow.sampling import Mode, Sampling
from ra_icl.options import Help, Options, at_least, min_length
from ra_icl.training.method import MethodOptions
from ra_icl.twins.plan import TwinOptions

MOST_CANDIDATES = 6


def _distinct(values: Sequence) -> Sequence:
    """Raise ValueError if a value is in the list twice."""
    for number, value in enumerate(values):
        if value in values[:number]:
            raise ValueError(f"holds {value!r} twice; leave it there once")
    return values


def _one_of_cde(names: Sequence[str]) -> Sequence[str]:
    """Raise ValueError for both protocols over the CDE datasets: each would print its Table 3 into the same file."""
    if set(CDE) <= set(names):
        raise ValueError("holds cde and groups5, which fill the same tables; run one of them, with results of its own")
    return names


def _few(candidates: Mapping[str, Any]) -> Mapping[str, Any]:
    """Raise ValueError for more candidates than MOST_CANDIDATES."""
    number = sum(changes is not None for changes in candidates.values())
    if number > MOST_CANDIDATES:
        raise ValueError(f"holds {number} candidates; leave {MOST_CANDIDATES}: more fit the inner folds' noise")
    return candidates


LONGEST_NAME = 60  # a sweep's method is three of them, and a file system takes 255 bytes
Distinct = AfterValidator(_distinct)
Text = Annotated[str, min_length(1)]
# Names become parts of paths, of rules and of titles.
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=LONGEST_NAME)]
DatasetName = Literal["casme2", "samm", "smic", "casme3", "own"]
ProtocolName = Literal["cde", "groups5", "cross", "casme3_3", "casme3_4", "casme3_7", "own"]
Names = Annotated[tuple[Text, ...], Distinct]


@dataclass(frozen=True)
class PathVariables(Options):
    """Snakemake's path variables."""

    results: Annotated[Text, Help("folder of everything that a run writes")]
    logs: Annotated[Text, Help("folder of the logs; <results> stands for the first")]
    benchmarks: Annotated[Text, Help("folder of seconds and memory per step; <results> stands for the first")]


@dataclass(frozen=True)
class DataOptions(Options):
    """Where the data come from."""

    source: Annotated[
        Literal["datasets", "twins", "public_flow"],
        Help("datasets: your copies; twins: synthetic ones, rendered; public_flow: published flow maps"),
    ]
    count_mismatch: Annotated[
        Literal["error", "warning"],
        Help("class counts that differ from Tables 4 and 5 stop the run, or are logged as a warning"),
    ]
    exclude: Annotated[
        dict[DatasetName, Annotated[tuple[Text, ...], Distinct]],
        Help("sequences to leave out, per dataset, as subject/sequence: {casme3: [spNO.1/a_355]}"),
    ]


@dataclass(frozen=True)
class Datasets(Options):
    """Your copies of the datasets."""

    casme2: Annotated[Casme2Options, Help("CASME II")]
    samm: Annotated[SammOptions, Help("SAMM")]
    smic: Annotated[SmicOptions, Help("SMIC-HS")]
    casme3: Annotated[Casme3Options, Help("CAS(ME)³ part A")]
    own: Annotated[OwnOptions, Help("data of your own, for protocol own")]


@dataclass(frozen=True)
class MethodSampling(Sampling):
    """A method's sampling: of frames, or of published maps."""

    mode: Annotated[
        Literal[Mode, "published"],
        Help("how frames are chosen; published: the maps of `source` (data.source public_flow)"),
    ] = "middle"
    source: Annotated[str, Help("of mode published: an entry of public_flow")] = ""


@dataclass(frozen=True)
class Method(MethodOptions):
    """A method: what its folds are trained with, its sampling and its title."""

    title: Annotated[str, Help("in tables and figures; by default the method's name")] = ""
    sampling: Annotated[MethodSampling, Help("MIR: which frames make a sequence's instance set")] = field(
        default_factory=MethodSampling
    )


@dataclass(frozen=True)
class Sweep(Options):
    """One key of a method over several values."""

    figure: Annotated[int, at_least(1), Help("number of the figure")]
    method: Annotated[str, Help("the method to start from")]
    key: Annotated[str, Help("key of a method, such as model.regions.queries")]
    values: Annotated[tuple[Any, ...], min_length(1), Help("the values")]


@dataclass(frozen=True)
class SelectionOptions(Options):
    """Nested selection of a method's options, for each group of subjects on the other groups' subjects alone."""

    groups: Annotated[int, at_least(2), Help("outer groups of subjects; the folds of a group share one choice")]
    inner_folds: Annotated[
        int, at_least(2), Help("folds over the subjects of the other groups on which candidates are compared")
    ]
    seed: Annotated[int, at_least(0), Help("of the inner folds' trainings")]
    candidates: Annotated[
        dict[Name, dict[str, Any] | None],
        AfterValidator(_few),
        Help("overrides of a method, 6 at most, such as {training: {learning_rate: 0.01}}; {} is the method as it is"),
    ]
    methods: Annotated[
        dict[Name, Names | None], Help("the methods that select, each with those that take its choices as well")
    ]


@dataclass(frozen=True)
class Ensemble(Options):
    """Trainings whose probabilities are averaged, as if one method had predicted their mean."""

    members: Annotated[tuple[Text, ...], min_length(1), Distinct, Help("the methods that are trained for it")]
    title: Annotated[str, Help("in tables and figures")]
    seeds: Annotated[Literal["each", "all"], Help("each: an ensemble per seed; all: one ensemble over all seeds")] = (
        "each"
    )
    instances: Annotated[
        Literal["middle", "all"], Help("the instances of a sequence that each member predicts from, as in inference")
    ] = "middle"
    mirror: Annotated[bool, Help("each member also predicts from the mirror images")] = False


@dataclass(frozen=True)
class AttentionOptions(Options):
    """What the target `attention` shows and measures."""

    figures: Annotated[
        Names,
        Help("methods side by side in Figures 5 and 12, of one sampling; the last one finds the surest sequences"),
    ]
    table: Annotated[Names, Help("methods of the table of attention in numbers")]
    sequences: Annotated[
        dict[DatasetName, Annotated[tuple[Text, ...], Distinct]],
        Help(
            "sequences to show, per dataset, as subject/sequence; empty: the surest right and the surest wrong one of "
            "each dataset and class"
        ),
    ]


@dataclass(frozen=True)
class FinalModel(Options):
    """What the target `final_model` trains on all subjects, for use on other clips."""

    method: Annotated[str, Help("the method")]
    protocol: Annotated[
        Literal["cde", "groups5", "casme3_3", "casme3_4", "casme3_7", "own"] | None,
        Help("the protocol, whose sequences and classes it takes; null: the first of `protocols`"),
    ] = None
    seed: Annotated[int, at_least(0), Help("of the training")] = 0


@dataclass(frozen=True)
class TableMethods(Options):
    """The methods that each table shows."""

    table1: Annotated[Names, Help("Table 1, CDE")]
    table2: Annotated[Names, Help("Table 2, CAS(ME)³")]
    table3: Annotated[Names, Help("Table 3, ablations under CDE")]
    table3_controls: Annotated[Names, Help("controls beside Table 3, a target of its own")]
    ensembles: Annotated[Names, Help("ensembles under CDE, a target of its own; differences are the first one's")]
    peers: Annotated[Names, Help("methods of other authors beside ours, under CDE, a target of its own")]
    peers_casme3: Annotated[Names, Help("the same on CAS(ME)³")]
    cross: Annotated[Names, Help("the table of protocol cross")]
    table_own: Annotated[Names, Help("the table of your own data")]


@dataclass(frozen=True)
class Config(Options):
    """Everything that a config file may hold."""

    pathvars: Annotated[PathVariables, Help("where a run leaves its files")]
    data: Annotated[DataOptions, Help("where the data come from")]
    datasets: Annotated[Datasets, Help("your copies of the datasets")]
    twins: Annotated[TwinOptions, Help("synthetic twins of the datasets")]
    public_flow: Annotated[dict[Name, PublishedOptions], Help("published flow maps, a name for each clone")]
    faces: Annotated[FaceOptions, Help("how faces are found and cut")]
    flow: Annotated[FlowOptions, Help("how optical flow is computed")]
    protocols: Annotated[
        tuple[ProtocolName, ...],
        min_length(1),
        Distinct,
        AfterValidator(_one_of_cde),
        Help(
            "the evaluation protocols to run; groups5: CDE in five folds by subject instead of LOSO; cross: train on "
            "two of its datasets and test on the third, train on one and test on the others"
        ),
    ]
    seeds: Annotated[
        tuple[Annotated[int, at_least(0)], ...],
        min_length(1),
        Distinct,
        Help("several: tables show mean and deviation"),
    ]
    folds_per_gpu: Annotated[
        int,
        at_least(1),
        Help("folds that share one GPU; each holds its own copy of the maps: lower it when out of memory"),
    ]
    keep_networks: Annotated[Names, Help("methods whose trained networks are kept, one file per fold")]
    keep_epochs: Annotated[
        Names, Help("methods whose held-out predictions after each epoch are kept, which the table of the leak needs")
    ]
    attention: Annotated[AttentionOptions, Help("what networks look at; their methods belong in keep_networks, too")]
    base: Annotated[Method, Help("what every method starts from")]
    methods: Annotated[
        dict[Name, dict[str, Any] | None], min_length(1), Help("overrides of base per method; null removes a method")
    ]
    sweeps: Annotated[dict[Name, Sweep | None] | None, Help("Figures 6-10; null removes one, or all of them")]
    ensembles: Annotated[dict[Name, Ensemble | None], Help("means of several trainings; null removes one")]
    selection: Annotated[SelectionOptions, Help("nested selection of options, on training subjects only")]
    tables: Annotated[TableMethods, Help("the methods that each table shows")]
    final_model: Annotated[FinalModel, Help("the model to use on other clips, a target of its own")]
    confusion: Annotated[str, Help("the method of the confusion matrices, Figures 4 and 11")]
    reference: Annotated[str, Help("the method that the tables of differences compare with every other")]
