"""From frames to face crops: detect the face on the onset frame, align it, cut every frame alike.

May import `errors`, `options`, `files` and `datasets`.
"""
