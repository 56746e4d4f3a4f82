"""From fold files to what people read: metrics, tables, figures and quality control.

May import `errors`, `options`, `files`, `datasets`, `flow` and `model`.
"""
