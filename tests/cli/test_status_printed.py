"""What `ra-icl status` prints: plain words to a file, a table with bars on a terminal."""

import os
import pty
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from run_files import write_fold, write_log

from ra_icl.cli.status import _cells, _summary
from ra_icl.planning.status import Group

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-c", "from ra_icl.cli import main; main()", "status"]
FOLDS = ("casme2-sub01", "casme2-sub02", "samm-006", "samm-007", "smic-s01", "smic-s02")


@pytest.fixture
def command(tmp_path):
    """The command for a run in which M6 is done, M5 has a fold that failed and one that runs, and M4 was not begun."""
    (tmp_path / "mine.yaml").write_text(
        f"pathvars: {{results: {tmp_path}/results}}\nprotocols: [cde]\ntables: {{table1: [m6], table3: [m6, m5, m4]}}\n"
    )
    now = time.time()
    for number, fold in enumerate(FOLDS):
        write_fold(tmp_path / "results", f"cde/m6/seed0/{fold}", [(0, 0), (1, number % 2)], now, seconds=60)
    write_fold(tmp_path / "results", f"cde/m5/seed0/{FOLDS[0]}", [(0, 0), (1, 0)], now, seconds=600)
    write_log(
        tmp_path / "results", f"cde/m5/seed0/{FOLDS[1]}", 1, 4, now, "ra-icl: error: flow.txt: is gone; make it\n"
    )
    write_log(tmp_path / "results", f"cde/m5/seed0/{FOLDS[2]}", 2, 4, now)
    return [*PROGRAM, "--configfile", str(ROOT / "config/demo.yaml"), "--configfile", str(tmp_path / "mine.yaml")]


def test_plain_words_where_no_terminal_is(command):
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    assert (done.stderr, "\x1b" in done.stdout) == ("", False)
    lines = [line.split() for line in done.stdout.splitlines()]
    header = ["folds", "done", "running", "stopped", "failed", "to", "go", "UF1", "UAR", "scores"]
    assert lines[0] == header
    # UF1 of M6: 6 of 9 and 3 of 6 told right; 2 * 6 / (6 + 9) and 2 * 3 / (6 + 3)
    assert ["cde/m6/seed0", "6/6", "73.33", "75.00", "all", "folds"] in lines
    # 4 folds of 10 min each, and half of one
    assert ["cde/m5/seed0", "1/6", "1", "1", "45", "min", "33.33", "50.00", "partial"] in lines
    text = done.stdout
    assert "Scores: SYNTHETIC TWINS: not comparable with any published number" in text
    assert (
        "7 of 18 folds done, 1 running, 1 failed; 45 min to go with one fold at a time on cpu (x86_64), without m4"
        in text
    )
    assert "failed: epoch 1/4, flow.txt: is gone; make it, last line " in text
    assert f"logs/folds/cde/m5/seed0/{FOLDS[1]}.log" in text
    assert "running: epoch 2/4, last line " in text
    assert "not begun: 6 folds; cde: m4" in text


def test_the_last_fold_may_have_no_time_left():
    """It has trained, and is predicting."""
    groups, running = [SimpleNamespace(finished=[1, 2, 3], total=4)], [SimpleNamespace(state="running")]
    found = SimpleNamespace(groups=groups, started=running, seconds=0.0, unknown=[], side_by_side=1, device="cpu")
    assert _summary(found) == "3 of 4 folds done, 1 running; 0 s to go with one fold at a time on cpu"


def test_time_to_go_is_not_0_while_no_fold_of_what_is_left_has_ended(command, tmp_path):
    """M6 is done; of M5 and M4 nothing is known."""
    for path in (tmp_path / "results/folds/cde/m5/seed0").iterdir():
        path.unlink()
    text = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True).stdout
    assert "6 of 18 folds done, 1 running, 1 failed; time to go not known before a fold of m4, m5 ends\n" in text


def test_a_table_with_bars_on_a_terminal(command):
    master, slave = pty.openpty()
    environment = os.environ | {"COLUMNS": "140", "TERM": "xterm", "NO_COLOR": ""}
    process = subprocess.Popen(command, stdout=slave, stderr=slave, cwd=ROOT, env=environment)
    os.close(slave)
    text = b""
    try:
        while part := os.read(master, 4096):
            text += part
    except OSError:  # Linux says so at the end
        pass
    os.close(master)
    assert process.wait() == 0
    shown = text.decode()
    for part in ("━━━━━━━━━━━━", "cde/m5/seed0", "\x1b["):
        assert part in shown
    assert "…" not in shown


def test_the_time_to_go_is_not_known_before_a_fold_is_done():
    assert _cells(Group("cde", "m5", 0, 6, [], [], None))[5] == "?"
    assert _cells(Group("cde", "m5", 0, 6, [], [], 40.0))[5] == "40 s"
