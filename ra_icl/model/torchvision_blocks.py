"""torchvision's residual block, importable beside a CPU build of PyTorch as well.

PyPI's torchvision is built against CUDA. Beside a CPU build of PyTorch its compiled operators are not loaded, and
its import stops at a missing detection operator that nothing here uses. Declaring the signatures is enough.
"""

import importlib

import torch

_DETECTION_OPERATORS = ("nms", "qnms")
_declared: list[torch.library.Library] = []  # a declaration lives as long as its Library object


def _declare_detection_operators() -> None:
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in _DETECTION_OPERATORS:
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _declared.append(library)


def _load_resnet():
    try:
        return importlib.import_module("torchvision.models.resnet")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
    _declare_detection_operators()
    return importlib.import_module("torchvision.models.resnet")


resnet = _load_resnet()
BasicBlock = resnet.BasicBlock
