"""The GPU that this process trains on."""


def claim_gpu(device: str) -> None:
    """No GPU is claimed."""
    return None
