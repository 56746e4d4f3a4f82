"""How many folds run at once: all cores without a GPU, a share of the GPUs with them. The steps are a script."""

import pytest
from workflow_runs import config_file, run

# Makes what a step is asked to write. A fold waits until BARRIER folds run at once, then notes how many do.
STEP = """#!/bin/sh
step=$1
for word; do [ "$last" = --out ] && out=$word; last=$word; done
case $step in
  twins) mkdir -p "$out";;
  fold)
    touch "{folder}/running/$$"
    for turn in $(seq 600); do
      [ -e "{folder}/met" ] && break
      [ $(ls "{folder}/running" | wc -l) -ge {barrier} ] && touch "{folder}/met"
      sleep 0.1
    done
    [ -e "{folder}/met" ] || exit 1
    ls "{folder}/running" | wc -l >> "{folder}/counts"
    rm "{folder}/running/$$"
    : > "$out"; : > "${{out%.csv}}.json";;
  *) : > "$out";;
esac
"""


@pytest.fixture
def machine(tmp_path):
    """A function that makes a machine: `ra-icl` waits for `barrier` folds, nvidia-smi lists so many GPUs."""

    def with_gpus(barrier, gpus):
        (tmp_path / "running").mkdir()
        lines = "".join(f"{number}, GPU-{number}, Card, 570.86\\n" for number in range(gpus))
        scripts = {
            "ra-icl": STEP.format(folder=tmp_path, barrier=barrier),
            "nvidia-smi": f"#!/bin/sh\nprintf '{lines}'\nexit {0 if gpus else 9}\n",
        }
        for name, text in scripts.items():
            (tmp_path / name).write_text(text)
            (tmp_path / name).chmod(0o755)
        return tmp_path

    return with_gpus


@pytest.mark.parametrize(
    ("gpus", "folds_per_gpu", "device", "at_once"),
    [(0, 4, "auto", 8), (1, 2, "auto", 2), (3, 2, "cuda", 6), (1, 2, "cpu", 8)],
)
def test_folds_at_once(clone, machine, monkeypatch, gpus, folds_per_gpu, device, at_once):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    name = f"{gpus}-{device}"
    values = {
        "pathvars": {"results": f"results/limits/{name}"},
        "twins": {"subjects": 8},
        "base": {"training": {"device": device}},
        "folds_per_gpu": folds_per_gpu,
    }
    configs = config_file(clone, f"limits-{name}.yaml", **values)
    folds = [f"results/limits/{name}/folds/casme3_4/m1/seed0/casme3-spNO.{number}.csv" for number in range(1, 9)]
    folder = machine(at_once, gpus)
    run(clone, "--cores", "8", *folds, configs=configs, path=folder)
    counts = [int(count) for count in (folder / "counts").read_text().split()]
    assert len(counts) == 8
    assert max(counts) == at_once
