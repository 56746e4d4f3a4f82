"""What a fold reads of the flow, as one line per sequence: a small file that changes only if the flow does."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from ra_icl.files import atomic, open_tensors


def write_flow_set(flow: Sequence[Path], out: Path) -> None:
    """Check every tensor of `flow` against its checksum and write `dataset/subject/sequence sha256` lines to `out`.

    flow: files {dataset}/{subject}.safetensors, listed in any order; the lines are sorted.
    Raises InputError that names file and sequence if a file is missing or damaged.
    """
    lines = sorted(line for path in flow for line in _lines(Path(path)))
    with atomic(out) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _lines(path: Path) -> Iterator[str]:
    with open_tensors(path) as file:
        for sequence in file.names:
            file.get(sequence, verify=True)
            yield f"{path.parent.name}/{path.stem}/{sequence} {file.checksums[sequence]}"
