"""What a trained network looks at: its maps, measures of them against the known motion of twins, and pictures.

May import `errors`, `options`, `files`, `datasets`, `flow`, `model`, `twins`, `training` and `evaluation`.
"""
