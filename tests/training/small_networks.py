"""The networks of all peers, small enough to train in a test: {peer, and what else tells cases apart: its settings}."""

NETWORKS = {
    "alexnet": {"size": 63, "hidden": 8},
    "dual_inception": {"hidden": 8},
    "htnet": {"width": 6, "repeats": [1, 1, 1]},
    "off_apexnet": {"hidden": 8},
    "ststnet": {},
    **{f"rcn {variant}": {"variant": variant, "size": 36, "maps": 8} for variant in "ASWC"},
}
