"""What the report, the results page and the model cards say of the task."""

TITLE = "Bottom-simulating reflections"
ABOUT = (
    "Does a small part of a seismic section hold a bottom-simulating reflection (BSR), the base of gas hydrate? A "
    "network sees 48 x 48 samples, enlarged to 112 x 112, and gives a probability; it is slid over a whole line. "
    "Synthetic training, validation and test patches are made apart, and those of the test are harder; real ones "
    "are kept apart by line."
)
LIMITS = [
    "A patch is 48 traces by 48 samples of the line as it is: other trace spacings or sample intervals make another "
    "picture of the same earth. Depth or time does not matter to it, dip and thickness in samples do.",
    "It looks for a negative lobe above a positive one: the polarity of the line must be the training data's (sea "
    "floor positive above negative). Lines of the other polarity must be turned first; a phase rotation is not "
    "allowed for.",
    "Amplitudes are scaled by the line's own percentiles: a line with a few very strong events, a strong gain or a "
    "mute is scaled otherwise than a training patch.",
    "Test patches are half BSR, a line is not: with one pixel in fifty a BSR, a network that is wrong about a few "
    "in a hundred other patches is wrong as often as right where it says yes (geoml README, measured on a synthetic "
    "line).",
    "Networks that were trained on bands without a wavelet decided at chance on reflections with one (geoml "
    "README): train on patches with a wavelet, or on real ones, before any real line.",
    "What looks alike is called alike: layers that dip as the sea floor does, multiples, gas chimneys, edges of a "
    "mute.",
    "It does not say that there is gas hydrate, nor how much: lines without a BSR may hold hydrate. The threshold "
    "of a half is not tuned.",
    "Not for a drilling, resource or slope-stability decision, unless an interpreter has picked the line too.",
]
TABLES = {
    "patchnet_compare": (
        "Every network on test patches, with what it costs: macs (multiplications for one patch), size_mb, "
        "patches_per_s at batch 64 and at batch 1, all networks taking turns on one machine. "
        "speed_up_vs_resnet50 is measured, macs_ratio_vs_resnet50 what the operations alone would give. "
        "precision_bsr and recall_bsr are of patches with a bottom-simulating reflection. line_ columns are "
        "scores on a whole synthetic line, per pixel and per pick; engines_ columns compare the two ways to "
        "run over a line. Networks without a score were counted and timed only."
    ),
    "patchnet_cross": (
        "Every network (trained_on) on the test patches of every data set (tested_on). Compare the rows of "
        "one tested_on; about .5 accuracy is chance."
    ),
}
FIGURES = {
    "confusion": (
        "Labels (rows) against answers (columns), on the validation and the test patches: share of the row in "
        "colour, number of patches in brackets. Right: accuracy by kind of patch. Look at the kinds without a "
        "reflection that are taken for one: on a line they are false picks."
    ),
    "gallery": (
        "The test patches that the network is furthest off on, worst first, with label and probability of a "
        "bottom-simulating reflection (BSR). Red and blue are negative and positive amplitudes, to the same scale "
        "in all. Look for what they share: noise, gaps, the seafloor, dip."
    ),
    "line": (
        "A synthetic seismic line that no patch was cut from, above, and the probability of a bottom-simulating "
        "reflection (BSR) in every sample of it, below; yellow to red is 0.5 or more, the green dashes are the "
        "true reflection. Look for colour away from the dashes, and for dashes without colour."
    ),
    "compare": (
        "Left: test accuracy with 95 % intervals against the operations that a patch costs; up and to the left is "
        "better. Right: patches a second on one thread of a CPU, many at once and one at a time, with the size of "
        "each network. Only networks that were trained have a point on the left; a network has the same colour in "
        "all figures."
    ),
    "search_front": (
        "Validation error of every candidate of the architecture search against its size, its operations and its "
        "time; lower and further left is better. Outlined candidates are beaten by no other in all four at once. "
        "The best of many candidates looks better than it is; its test is the one of a network of its own."
    ),
    "search_scores": (
        "Left: how many candidates of a search reached which validation accuracy. Right: the score of the "
        "original search (mean of the five best validations) against ours (mean of the best epoch); points far "
        "below the line were good by luck of an epoch."
    ),
    "search_best": (
        "The layers of the candidate with the best validation accuracy, from left to right: filter size, and side "
        "and channels of what comes out. The more operations a layer costs the brighter it is; grey layers cost "
        "none. Branches of a fusion block stand one above the other."
    ),
    "search_rungs": (
        "Candidates of a search in rounds that went on: accuracy after one round of training against that after "
        "the next, longer one. A high rank correlation says that the first round chose well; a low one, that good "
        "candidates may have been dropped."
    ),
}
