"""What the report, the results page and the model cards say of the task."""

TITLE = "Kinematic efficiency of strike-slip faults"
ABOUT = (
    "Which share of the plate motion is slip on the faults that a map shows? A network sees a black-and-white map "
    "of active faults, 128 x 64 pixels, and gives a number between 0 (all spread out) and 1 (all on the faults). "
    "Test maps are of experiments, or of conditions, that training has not seen; the published split, which shares "
    "experiments and frames between the sets, stands beside them."
)
LIMITS = [
    "It was made for experiments in wet clay: dextral, straight plate boundaries, one scale. Whether its number "
    "holds for faults in the crust is a question, not an answer.",
    "The map must be drawn as in training: 128 pixels across by 64 along strike, at the same scale and line "
    "thickness. The same maps redrawn thinner or thicker change the answer by 0.01 to 0.40 in the tests of the "
    "geoml README: use several pixel sizes and thicknesses, and report the spread.",
    "Faults that are missing on the map, or are mapped but not active, change the answer and nothing warns of it. A "
    "map without any fault gets no answer.",
    "Sinistral faults must be mirrored (--sense sinistral).",
    "A single map shows neither time nor rate: it says nothing of when a fault slips, or how much.",
    "sigma is scaled on validation maps of the same experiments or conditions as training; on maps of another kind "
    "the true errors are larger.",
    "A few numbers of the map (pixels, lengths, thickness) said as much as the picture in the tests of the geoml "
    "README: the network may read how much is drawn, not how it is arranged.",
    "Not for seismic hazard, where off-fault deformation matters, unless an expert has checked map, scale and spread.",
]
TABLES = {
    "slip_compare": (
        "Every model on training, validation and test maps (split) of every data set, which differ in what is "
        "kept apart. frames_in_train and experiments_in_train are the shares of test maps whose frame or "
        "experiment training sees through another window: 0 is an honest test, near 1 is not. accuracy_2sd is "
        "the share of maps within 2 SD of the label, SD being its spread along strike; mae and rmse are "
        "errors of efficiency (0 to 1), bias their mean. coverage_1sigma and coverage_2sigma would be .683 "
        "and .954 if the model's own sigma were right. loss is the published formula, loss_coded what its "
        "code works out. A network that is no better than the rows constant and ridge has learnt little from "
        "the picture."
    ),
}
FIGURES = {
    "cross_plot": (
        "Predicted against measured kinematic efficiency of the training, validation and test maps; red crosses "
        "are further off than two standard deviations (2 SD) of the measurement. Look for a cloud that is flatter "
        "than the line: low values predicted too high, and high ones too low."
    ),
    "efficiency_in_time": (
        "Efficiency of the windows of test experiments from their first frame to their last: measured with two "
        "standard deviations in grey, predicted in colour. Look whether the rise comes at the right time, and "
        "whether windows of one frame spread as they should."
    ),
    "intervals": (
        "Left: share of measured values that lie in the model's own intervals, against what these should hold; "
        "below the line the intervals are too narrow. Right: mean absolute error (bars) and mean error (diamonds) "
        "of test maps by efficiency, by condition and by experiment; a diamond right of 0 is predicted too high."
    ),
    "robustness": (
        "The same test maps drawn with other line widths, with noise and with pieces missing: mean absolute "
        "error, and how far the answer moves on average. A bar that is much longer than that of the maps as they "
        "were mapped says what a user's own mapping must not differ in."
    ),
    "saliency": (
        "What every pixel of a fault map adds to (orange) or takes from (violet) the predicted efficiency, by "
        "integrated gradients, the same colours in all maps. Look whether tips, steps and gaps take from it and "
        "through-going traces add."
    ),
    "compare": (
        "Share of maps within two standard deviations (2 SD) of the measured efficiency, and mean absolute error, "
        "of every model on the training (hollow dots), validation (hollow squares) and test maps (full diamonds), "
        "with 95 % intervals over experiments. Black crosses are published figures of real experiments. A model "
        "that is much better in training than in test has learnt by heart; constant is what knowing nothing of "
        "the map gives."
    ),
    "leakage": (
        "Error on test maps of the same models under every split, with 95 % intervals over experiments, and the "
        "share of test frames that training has seen through another window. A model that is better only where "
        "frames are shared has profited from the split, not from learning more."
    ),
}
