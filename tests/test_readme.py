"""The README's Python example, run word for word on a twin, with less training."""

import re
from pathlib import Path

from ra_icl.training import method
from ra_icl.twins.plan import TwinOptions
from ra_icl.twins.render import render

README = Path(__file__).parents[1] / "README.md"


def test_the_python_example_runs(tmp_path, monkeypatch, small_method, capsys):
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    render("casme2", Path("results/demo/twins/casme2"), TwinOptions(per_class=1, frames=(10, 12), scale=0.4))
    monkeypatch.setattr(method, "MethodOptions", lambda: small_method)
    exec(compile(example, str(README), "exec"), {})
    assert 0 <= float(capsys.readouterr().out) <= 1
    assert (tmp_path / "folds/casme2-sub01.csv").is_file()
