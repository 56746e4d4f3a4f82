"""What a run consists of, decided before anything is computed: config, plan, checks.

May import every room but `cli`, and is the only one that imports pydantic. Whatever the Snakefile imports stays free of
torch and cv2, because the Snakefile is parsed again in every cluster job.
"""
