"""From frames to face crops: detect the face on the onset frame, align it, cut every frame with the same transform.

May import `errors`, `options`, `files` and `datasets`.
"""
