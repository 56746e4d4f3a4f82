"""How far a run is, from the files that it leaves: nothing is locked, computed or asked of Snakemake."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from ra_icl.datasets.index import read_index_csv
from ra_icl.errors import Faults
from ra_icl.evaluation.caveats import SELECTION_CAVEATS, data_caveats
from ra_icl.planning.fold_files import RUNNING, Finished, Started, read_finished, read_log, score
from ra_icl.planning.indexes import Indexed, read_index
from ra_icl.planning.outdated import Current
from ra_icl.planning.plan import Plan, make_plan, quietly
from ra_icl.planning.selection import Selection

# Seconds of silence after which a fold counts as stopped, if no finished one tells how long its epochs are;
PATIENCE = 900.0
# else after so many epochs, and no sooner than after so many seconds.
SILENT_EPOCHS, LEAST_PATIENCE = 10, 120.0
WINDOW = 5  # durations of a fold over which it is counted how many are in training side by side

Key = tuple[str, str, int | None]  # protocol, method, seed; None stands for the inner folds


@dataclass(frozen=True)
class Group:
    """The folds of a method under a protocol, of one seed; or all inner folds behind a method's choices.

    finished, started: of its folds; the rest is waiting. seconds: that it still takes, one fold after another; None if
    no finished fold tells. seed: None for inner folds. outdated: how many have a result of other options or other flow.
    """

    protocol: str
    method: str
    seed: int | None
    total: int
    finished: list[Finished]
    started: list[Started]
    seconds: float | None
    outdated: int = 0

    @property
    def begun(self) -> bool:
        """Whether any of its folds has a result or a log."""
        return bool(self.finished or self.started or self.outdated)

    def scores(self) -> dict[str, float]:
        """UF1 and UAR over the folds that are done, in 0..1; none of inner folds, which several candidates share."""
        return {} if self.seed is None else score(self.finished)


@dataclass(frozen=True)
class Status:
    """How far a run is.

    stages: {"crops" or a flow's folder: (files that are there, files that there will be)}, those that lack some.
    device: of the fold that was finished last; "" if none was. notes: what must be said about the scores.
    """

    groups: list[Group]
    stages: dict[str, tuple[int, int]]
    device: str
    notes: list[str]

    @property
    def started(self) -> list[Started]:
        """The folds that were begun and have no result."""
        return [fold for group in self.groups for fold in group.started]

    @property
    def side_by_side(self) -> int:
        """How many folds are in training at a time: those running now, or what was usual while the last ones ran.

        The past counts too, because at any moment one fold may have just ended and the next not yet begun. Never more
        than the folds that are left, of those methods whose time per fold is known.
        """
        alike = [fold for group in self.groups for fold in group.finished if fold.device == self.device]
        running = sum(fold.state == RUNNING for fold in self.started)
        left = sum(group.total - len(group.finished) for group in self.groups if group.seconds is not None)
        return max(1, min(left, max(running, _side_by_side(alike) if alike else 0)))

    @property
    def seconds(self) -> float | None:
        """To go, with as many folds side by side as now; None if no finished fold tells."""
        known = [group.seconds for group in self.groups if group.seconds is not None]
        return sum(known) / self.side_by_side if known else None

    @property
    def unknown(self) -> list[str]:
        """The methods whose seconds no finished fold tells, so that `seconds` leaves them out."""
        return list(dict.fromkeys(group.method for group in self.groups if group.seconds is None))


def status(config: Mapping[str, Any], now: float | None = None) -> Status:
    """Read how far the run of a config is; config: of `load_config`. now: seconds since 1970, else the clock's.

    Covers what `snakemake all` trains, and other methods of the config of which a fold was begun, with the config's
    seeds. A fold that has a log but neither a result nor an error in the log is running. It is stopped if the log has
    been silent for longer than ten epochs take, and waiting if it was trained and its result has since been deleted.
    The time of a fold is the mean over finished folds of its method, on the device of the latest one and, if possible,
    under the same protocol. A result of other options than the config's, or of flow that has been made anew since, does
    not count: the next run trains that fold again. Raises InputError like `make_plan`, which reads a dataset that has
    no index yet.
    """
    now = time.time() if now is None else now
    folders = _folders(config["pathvars"])
    plan = _plan(config, folders["results"] / "index")
    folds, logs, jobs = folders["results"] / "folds", folders["logs"] / "folds", folders["benchmarks"] / "folds"
    kept = folders["results"] / "checkpoints"
    wanted = dict(_wanted(plan, (folds, logs)))
    there = {key: _found(paths, lambda path: read_finished(folds / path, jobs / path)) for key, paths in wanted.items()}
    finished = _current(there, Current(plan, folders["results"] / "flow"))
    latest = max(
        (fold for found in finished.values() for fold in found.values()), key=lambda fold: fold.time, default=None
    )
    device, groups = latest.device if latest else "", []
    for key, paths in wanted.items():
        alike = _alike(key, finished, device)
        patience = _patience(alike)
        rest = [path for path in paths if path not in finished[key]]
        started = _found(rest, lambda path, patience=patience: read_log(logs / path, kept / path, now, patience))
        seconds = _seconds(len(rest), started.values(), alike)
        outdated = len(there[key]) - len(finished[key])
        groups.append(Group(*key, len(paths), list(finished[key].values()), list(started.values()), seconds, outdated))
    return Status(groups, dict(_stages(plan, groups, folders["results"])), device, _notes(plan, groups))


def _found(paths: Iterable[str], read) -> dict[str, Any]:
    """{path: what `read` finds there}, without those where it finds nothing."""
    return {path: found for path in paths if (found := read(path)) is not None}


def _current(found: Mapping[Key, Mapping[str, Finished]], current: Current) -> dict[Key, dict[str, Finished]]:
    """The finished folds that have the options of the plan and have read its flow."""
    return {
        key: {
            path: fold
            for path, fold in folds.items()
            if current.has(path.split("/")[1], fold.candidate, fold.options)
            and (key[2] is None or current.has_flow(*key[:2], fold.flow))
        }
        for key, folds in found.items()
    }


def _alike(key: Key, finished: Mapping[Key, Mapping[str, Finished]], device: str) -> list[Finished]:
    """The finished folds of a method on a device: those under its protocol, or else under any; inner ones apart."""
    of_method = {
        other: found for other, found in finished.items() if (other[1], other[2] is None) == (key[1], key[2] is None)
    }
    for protocols in ({key[0]}, {other[0] for other in of_method}):
        found = [fold for other, folds in of_method.items() if other[0] in protocols for fold in folds.values()]
        if alike := [fold for fold in found if fold.device == device]:
            return alike
    return []


def _side_by_side(finished: Sequence[Finished]) -> int:
    """How many folds were in training at a time, in the mean over five times what the latest took."""
    latest = max(finished, key=lambda fold: fold.time)
    span = max(1.0, WINDOW * latest.seconds)
    begin = latest.time - span
    busy = sum(max(0.0, fold.time - max(begin, fold.time - fold.seconds)) for fold in finished)
    return round(busy / span)


def _folders(pathvars: Mapping[str, str]) -> dict[str, Path]:
    """The folders of the path variables, in which <results> stands for the first."""
    return {name: Path(folder.replace("<results>", pathvars["results"])) for name, folder in pathvars.items()}


def _plan(config: Mapping[str, Any], indexes: Path) -> Plan:
    """The plan of a config, with the run's own index files where there are any: they are near, the data may be not."""

    def recorded(config: Mapping[str, Any], dataset: str) -> Indexed:
        path = indexes / f"{dataset}.csv"
        if not path.is_file():
            return read_index(config, dataset)
        rows = read_index_csv(path)
        return Indexed(rows, rows[:0], Faults())

    # An index lacks what data.exclude left out; and what is to be said about counts was said when the run began.
    calm = dict(config) | {"data": dict(config["data"]) | {"count_mismatch": "warning"}}
    with quietly():
        return make_plan(calm, recorded)


def _wanted(plan: Plan, roots: Sequence[Path]) -> Iterator[tuple[Key, list[str]]]:
    """(key, paths below folds/ without suffix) of every group, inner folds first, as they are trained."""
    selection, inner = Selection(plan), {}
    for choice in selection.choices():
        protocol, method, group = choice.removesuffix(".json").split("/")
        inner.setdefault((protocol, method, None), []).extend(_stems(selection.inner_files(protocol, method, group)))
    yield from inner.items()
    candidates = {path.split("/")[1] for paths in inner.values() for path in paths}
    shown = set(plan.runs())
    for protocol in plan.selected:
        begun = {path.name for root in roots for path in root.glob(f"{protocol}/*")} - candidates
        for method in plan.methods:
            if (protocol, method) in shown or method in begun:
                files = _stems(plan.fold_files(protocol, method))
                for seed in plan.seeds(method):
                    yield (protocol, method, seed), [path for path in files if f"/seed{seed}/" in path]


def _stems(paths: Iterable[str]) -> list[str]:
    return [path.removesuffix(".csv") for path in paths]


def _patience(finished: Sequence[Finished]) -> float:
    """Seconds of silence after which a fold counts as stopped."""
    if not any(fold.epochs for fold in finished):
        return PATIENCE
    return max(LEAST_PATIENCE, SILENT_EPOCHS * max(fold.seconds / fold.epochs for fold in finished if fold.epochs))


def _seconds(rest: int, started: Iterable[Started], finished: Sequence[Finished]) -> float | None:
    """How long the folds without a result still take, one after another; epochs without a checkpoint start over."""
    if not rest:
        return 0.0
    if not finished:
        return None
    begun = sum(fold.epoch / fold.epochs for fold in started if fold.epochs and (fold.state == RUNNING or fold.resumes))
    return (rest - begun) * mean(fold.seconds for fold in finished)


def _stages(plan: Plan, groups: Sequence[Group], results: Path) -> Iterator[tuple[str, tuple[int, int]]]:
    """(what, (files that are there, files that there will be)) of crops and flow, where some are missing."""
    uses = dict.fromkeys((group.protocol, plan.sampling(group.method)) for group in groups)
    stages: dict[str, set[str]] = {}
    for path in (path for protocol, sampling in uses for path in plan.flow_files(protocol, sampling)):
        sampling, file = path.split("/", 1)
        for stage in ("crops", f"flow/{sampling}"):
            stages.setdefault(stage, set()).add(file)
    if plan.source == "public_flow":
        stages.pop("crops", None)
    for stage, files in stages.items():
        there = sum((results / stage / file).is_file() for file in files)
        if there < len(files):
            yield stage, (there, len(files))


def _notes(plan: Plan, groups: Sequence[Group]) -> list[str]:
    selections = {SELECTION_CAVEATS.get(fold.selection) for group in groups for fold in group.finished}
    return [*data_caveats(plan.data_source), *sorted(filter(None, selections))]
