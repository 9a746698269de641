"""SeismicPatchNet: does a small patch of a seismic section hold a bottom-simulating reflection (BSR)?"""

SIDE = 48  # of a patch, samples and traces
SIZE = 112  # of what a network sees of it, pixels
CLASSES = ("no_bsr", "bsr")
