"""Ra-ICL: region-aware instance consistency learning for apex-free micro-expression recognition."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("ra-icl")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"
