"""The files of a run that is under way, as its folds would leave them."""

import json
import os

import pandas as pd

START = 1_800_000_000.0  # seconds since 1970
PROBABILITIES = ["p0", "p1", "p2"]


def write(path, text, time):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    os.utime(path, (time, time))


def write_fold(
    results, fold, predictions, time=START, *, seconds=100.0, job=None, device="cpu (x86_64)", epochs=4, **about
):
    """The result of a fold: `predictions` are (label, prediction) of its sequences; job: seconds of the whole job.

    about: what else its record tells.
    """
    rows = [("casme2", "sub01", f"s{number}", *pair, 0.5, 0.3, 0.2) for number, pair in enumerate(predictions)]
    columns = ["dataset", "subject", "sequence", "label", "prediction", *PROBABILITIES]
    write(results / f"folds/{fold}.csv", pd.DataFrame(rows, columns=columns).to_csv(index=False), time)
    record = {"seconds": seconds, "device": device, "selection": "last", "curve": [{}] * epochs} | about
    write(results / f"folds/{fold}.json", json.dumps(record), time)
    if job:
        write(results / f"benchmarks/folds/{fold}.tsv", f"s\th:m:s\n{job}\t0:01:00\n", time)


def write_log(results, fold, epoch, epochs, time, end=""):
    """A log that tells of `epoch` epochs and then holds `end`."""
    lines = [f"{fold}: 12 training sequences, 3 held out, on cpu\n"]
    lines += [f"epoch {number}/{epochs} loss 0.5 accuracy 0.{number}\n" for number in range(1, epoch + 1)]
    write(results / f"logs/folds/{fold}.log", "".join(lines) + end, time)
