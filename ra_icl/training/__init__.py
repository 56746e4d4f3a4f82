"""Training of one fold: method options, instance sets, augmentation, losses, step, loop, checkpoints, files, device.

May import `errors`, `options`, `files`, `datasets`, `flow` and `model`; never pydantic, typer or Snakemake.
"""
