"""Synthetic twins of the four datasets: plan, faces, motion, rendering, and the truth to judge flow by.

May import `errors`, `options`, `files`, `datasets` and `flow`.
"""
