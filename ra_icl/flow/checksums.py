"""What a fold reads of the flow, as one line per sequence: a small file that changes only if the flow does."""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from ra_icl.files import atomic, open_tensors

if TYPE_CHECKING:
    import pandas as pd


def write_flow_set(flow: Sequence[Path], out: Path) -> None:
    """Check every tensor of `flow` against its checksum and write `dataset/subject/sequence sha256` lines to `out`.

    flow: files {dataset}/{subject}.safetensors, listed in any order; the lines are sorted.
    Raises InputError that names file and sequence if a file is missing or damaged.
    """
    lines = sorted(line for path in flow for line in _lines(Path(path)))
    with atomic(out) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def read_flow_set(path: Path) -> dict[str, str]:
    """{dataset/subject/sequence: checksum} of a file of `write_flow_set`."""
    return dict(line.rsplit(" ", 1) for line in path.read_text(encoding="utf-8").splitlines())


def tensor_names(rows: "pd.DataFrame") -> "pd.Series":
    """dataset/subject/sequence of every row of an index, as `read_flow_set` and `flow_digest` name its tensor."""
    return rows[["dataset", "subject", "sequence"]].agg("/".join, axis=1)


def flow_digest(checksums: Iterable[tuple[str, str]]) -> str:
    """SHA-256 over (dataset/subject/sequence, checksum) of every tensor, in the order of the index."""
    return sha256("".join(f"{name} {checksum}\n" for name, checksum in checksums).encode()).hexdigest()


def _lines(path: Path) -> Iterator[str]:
    with open_tensors(path) as file:
        for sequence in file.names:
            file.get(sequence, verify=True)
            yield f"{path.parent.name}/{path.stem}/{sequence} {file.checksums[sequence]}"
