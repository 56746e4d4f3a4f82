"""Whether the result of a fold is of the options that a plan gives it now, by what the fold's record tells."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from ra_icl.planning.candidates import training_options
from ra_icl.planning.methods import merge, present
from ra_icl.planning.peers import with_defaults
from ra_icl.planning.plan import Plan


class Current:
    """The options that the folds of a plan are trained with."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._candidates = present(plan.config["selection"]["candidates"])
        self._options = cache(self._options_of)

    def has(self, method: str, candidate: str, recorded: Mapping[str, Any] | None) -> bool:
        """Whether a fold of `method` with the options `recorded` and the chosen `candidate` is as it would be trained.

        What only one of the two has is no difference: records of other versions have other options. None, a record
        without options, is taken for such a one.
        """
        if candidate and candidate not in self._candidates:
            return False
        if recorded is None:
            return True
        expected = self._options(method, candidate)
        return bool(expected["peer"]) == bool(recorded.get("peer")) and _agree(expected, recorded)

    def _options_of(self, method: str, candidate: str) -> dict[str, Any]:
        found = merge(training_options(with_defaults(self._plan.methods[method])), self._candidates.get(candidate, {}))
        training = {key: value for key, value in found["training"].items() if key != "device"}
        return json.loads(json.dumps(found | {"training": training}))


def _agree(expected: Any, recorded: Any) -> bool:
    if isinstance(expected, Mapping) and isinstance(recorded, Mapping):
        return all(_agree(expected[key], recorded[key]) for key in expected.keys() & recorded.keys())
    return expected == recorded
