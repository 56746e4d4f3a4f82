"""From face crops to instances: frame sampling (MIR), TV-L1 optical flow (Eq. 1) and strain (Eq. 2).

May import `errors`, `options` and `files`. A backend, `tvl1_*`, is imported only when it is used.
"""
