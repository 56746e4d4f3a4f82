"""How Numba compiles the flow.

Compiled code is kept in `__pycache__` beside this file or, if that cannot be written, in the user's cache folder; if
neither can be written, set NUMBA_CACHE_DIR to a folder that can.
"""

import llvmlite.binding
import numba

# LLVM vectorises a loop only after checking that its rows do not overlap, and by default gives up if that takes more
# than 8 comparisons; the loops of the flow touch up to fourteen rows.
llvmlite.binding.set_option("", "--runtime-memory-check-threshold=1000")

# One thread, and cached on disk. Numba does not notice when a compiled function in another file changes, so compiled
# functions call only those of their own file. The inner loops run over one-dimensional arrays and write few of them,
# which LLVM turns into vector instructions.
HOW = {"cache": True, "fastmath": True, "error_model": "numpy", "nogil": True}
compiled = numba.njit(**HOW)
# What compiled functions call. As functions of their own they would be optimised once more where they are called, and a
# process that loads the compiled code would run that version, while the one that compiled it runs the first: their flow
# would differ in its last digits.
inlined = numba.njit(inline="always", **HOW)
