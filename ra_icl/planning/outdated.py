"""Whether the result of a fold is of the options and the flow that a plan gives it now, by what its record tells."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ra_icl.evaluation.records import differing_option
from ra_icl.flow.checksums import flow_digest, read_flow_set, tensor_names
from ra_icl.planning.candidates import takers, training_options
from ra_icl.planning.methods import merge, present
from ra_icl.planning.peers import with_defaults
from ra_icl.planning.plan import Plan


class Current:
    """The options that the folds of a plan are trained with, and the flow that they read.

    flow: the folder of the flow's folders.
    """

    def __init__(self, plan: Plan, flow: Path) -> None:
        self._plan, self._flow = plan, flow
        self._candidates = present(plan.config["selection"]["candidates"])
        self._takers = takers(plan.config, plan.sweeps)
        self._options = cache(self._options_of)
        self._digest = cache(self._digest_of)

    def has_flow(self, protocol: str, method: str, recorded: str | None) -> bool:
        """Whether a fold that is no inner fold has read the flow that is there; of flow that is not, nobody knows."""
        return recorded is None or self._digest(protocol, self._plan.sampling(method)) in (None, recorded)

    def has(self, method: str, candidate: str, recorded: Mapping[str, Any] | None) -> bool:
        """Whether a fold of `method` with the options `recorded` and the chosen `candidate` is as it would be trained.

        What only one of the two has is no difference: records of other versions have other options. None, a record
        without options, is taken for such a one.
        """
        if candidate and (candidate not in self._candidates or method not in self._takers):
            return False
        if recorded is None:
            return True
        expected = self._options(method, candidate)
        return bool(expected["peer"]) == bool(recorded.get("peer")) and not differing_option(expected, recorded)

    def _digest_of(self, protocol: str, sampling: str) -> str | None:
        """The digest of the flow that a protocol's folds read; None if it is not there."""
        try:
            checksums = read_flow_set(self._flow / sampling / f"{protocol}.sha256")
        except (OSError, ValueError):
            return None
        names = tensor_names(self._plan.selected[protocol])
        return flow_digest((name, checksums.get(name, "")) for name in names)

    def _options_of(self, method: str, candidate: str) -> dict[str, Any]:
        found = merge(training_options(with_defaults(self._plan.methods[method])), self._candidates.get(candidate, {}))
        return json.loads(json.dumps(found))
