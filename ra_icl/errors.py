"""The one exception that bad input raises."""


class InputError(ValueError):
    """Input that does not fit: one line that names the file, row or key, the fault and the remedy."""
