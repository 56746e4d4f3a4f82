"""Synthetic twins of the four datasets: plan, faces, motion, rendering, and the true motion to judge flow by.

May import `errors`, `options`, `files`, `datasets` and `flow`.
"""
