"""Kinematic efficiency of strike-slip faults from maps of active faults (SSF-CNN, Chaipornkaew et al. 2022)."""

HEIGHT, WIDTH, STRIDE = 128, 64, 50  # rows and columns of a window, columns from one to the next (card, section 3)
STEP = 1.14  # grid step, in the units of the displacements over the rotation (card, section 2)
NODES = (135, 313)  # rows and columns of the published grid
VARIABLES = ("curl_map", "altBW_filt", "store_u", "store_v")  # channels c, f, u, v of an experiment
EXPERIMENTS = tuple(
    f"{base}_{rate}_{repeat}"
    for base, rate, repeats in (
        ("EB", "025", 3), ("EB", "050", 3), ("EB", "150", 3),
        ("PP", "025", 2), ("PP", "050", 2), ("PP", "100", 2), ("PP", "150", 1),
    )
    for repeat in range(1, repeats + 1)
)  # fmt: skip
