"""Training of one fold: method options, instance sets, augmentation, losses, step, loop, checkpoints, files, device.

May import `errors`, `options`, `files`, `datasets`, `flow`, `model` and `peers`; never pydantic, typer or Snakemake.
"""
