"""Finding a peer by its name, and what a peer's file has to define.

A file `ra_icl/peers/{name}.py` defines

- FED = "flow" or "frames": what its folds read. Flow maps (S, C, H, W), the middle instance of each sequence, C being
  u, v, strain and, with `sampling.depth`, depth; or grey frames (S, N, 1, H, W), float16, of sampling mode "frames".
- class Settings(Options), a frozen dataclass whose fields are declared with `settings.paper`, `code` or `choice`; a
  network's is a `NetworkSettings`. It may use nothing but Python's `dataclasses` and `typing`, `ra_icl.options` and
  `ra_icl.peers.settings`, because the plan of a run reads the class alone, without PyTorch.
- either a network: prepare(maps, settings) -> float32 inputs (S, C, H, W), and network(classes, settings) -> a module
  that gives logits (B, classes);
- or a descriptor: describe(maps, settings) -> an array (S, F), and classifier(settings) -> an estimator of scikit-learn
  with fit and decision_function.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

from ra_icl.options import Options


@dataclass(frozen=True)
class Peer:
    """A peer and the settings that it runs with."""

    name: str
    module: ModuleType
    settings: Options

    @property
    def trains_network(self) -> bool:
        """Whether it trains a network; otherwise it fits a classifier to descriptors."""
        return hasattr(self.module, "network")


def load_peer(options: Mapping[str, Any]) -> Peer:
    """The peer of a method's `peer` options: its name and the settings that differ from its defaults."""
    name, settings = options["name"], {key: value for key, value in options.items() if key != "name"}
    module = import_module(f"ra_icl.peers.{name}")
    # JSON has lists for tuples.
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}
    return Peer(name, module, module.Settings(**values))
