"""From a dataset's folder on disk to one index table: annotation, frames, protocols; one module per dataset.

May import `errors`, `options` and `files`.
"""
