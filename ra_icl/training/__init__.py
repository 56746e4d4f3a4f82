"""Training of one fold: method options, instance sets, augmentation, losses, the step, the loop, checkpoints.

May import `errors`, `options`, `files`, `datasets`, `flow` and `model`; never pydantic, typer or Snakemake.
"""
