"""What the report, the results page and the model cards say of the task."""

TITLE = "First-motion polarity"
ABOUT = (
    "Did the ground move up (U) or down (D) when the P wave came, or can it not be read (N)? A network sees 4 s of "
    "the vertical component at 100 Hz with the P pick in the middle, and gives three probabilities. Earthquakes "
    "that are tested on are not in training; every network is also tested on the data of the other networks of "
    "stations."
)
LIMITS = [
    "It answers for a P pick that someone else made: on windows without a P, or with a pick further off than "
    "training shifted it (shift: 20 samples unless configured otherwise), its answer means little; the pick-error "
    "curve of the evaluation shows how fast it falls.",
    "It sees 400 samples at 100 Hz with the pick at sample 200. Other rates are resampled; records taken slower "
    "than 100 Hz lack the high frequencies that a sharp onset needs.",
    "The component must be vertical and positive upwards: a reversed station gives the opposite answer with the "
    "same confidence. Give its dates with --reversals.",
    "N is the policy of those who labelled the training data, and does not carry over between networks of stations; "
    "compare U with D only.",
    "The threshold was set on the validation set, so that 99 % of the readings above it were right there, of the "
    "traces labelled U or D; on other stations, regions, magnitudes or noise that share is not promised. Without a "
    "threshold, no confidence reached it. Probabilities are not calibrated on your data.",
    "Earthquakes at distances, depths or magnitudes that the training data do not hold were not tested; explosions "
    "and induced events are not scored apart.",
    "Not for a focal mechanism that a hazard or operational decision rests on, unless an analyst has looked at the "
    "readings.",
]
TABLES = {
    "polarity_compare": (
        "Every network on the test events of the data set that it was trained on; all is the four together. "
        "_u, _d and _n are of up, down and not readable. precision_u is the share that is right among all "
        "traces read as up, app_precision_u the same without the not readable ones that were read as up. "
        "Compare data sets by strict_ud_accuracy only (traces labelled up or down, p(U) against p(D)): what "
        "counts as not readable is each network operator's own policy."
    ),
    "polarity_cross": (
        "Every network (model, trained_on) on the test events of every data set (tested_on). Compare the rows "
        "of one tested_on, and data sets by strict_ud_accuracy only: it leaves out what is labelled not "
        "readable, which is each operator's own policy. A score that falls where trained_on and tested_on "
        "differ is what a network of stations does not carry over to another."
    ),
}
FIGURES = {
    "confusion": (
        "The analyst's polarities (rows) against the model's (columns): share of the row in colour, number of "
        "test traces in brackets. The cells of up taken for down and down for up matter most, since they turn a "
        "focal mechanism round; how much is called unreadable is each data set's own policy."
    ),
    "snr": (
        "Accuracy by signal-to-noise ratio. Left: test traces as recorded, for the three classes and for up "
        "against down (unreadable left out), with the number of traces below: grey all, coloured those that are "
        "up or down. Right: readable traces with noise added. Bars are 95 % intervals; look for the ratio below "
        "which up against down is no better than chance (line at 0.5)."
    ),
    "pick_error": (
        "What a late or early P pick costs: share of readable test traces whose up against down is right, with "
        "its 95 % interval, and dashed the share that the model reads as up or down at all. The wider the top, "
        "the less it depends on the analyst's pick."
    ),
    "reliability": (
        "Left: accuracy of answers by their probability, as trained (grey squares) and after scaling on the "
        "validation traces (coloured dots); below the line the model is too sure. Right: share of readings that "
        "are right when only the surest are kept; the diamond is the threshold at which 99 % were right on the "
        "validation traces. Look whether it holds on the test traces."
    ),
    "gallery": (
        "Test traces that the model read rightly (left) and wrongly (right), with the analyst's polarity and the "
        "model's probabilities; the vertical line is the P pick. Where a model weighs its input (attention), "
        "shading along the trace and the small maps show which times it looked at. Look for wrong readings with a "
        "clear onset: the label may be wrong."
    ),
    "cross_dataset": (
        "Accuracy of networks trained on one data set (rows) and tested on another (columns), for the three "
        "classes above and for up against down below. Compare along a column, since each data set has its own "
        "policy of calling a trace unreadable; a drop away from the diagonal is what does not carry over."
    ),
    "compare": (
        "Accuracy of every network on test events of the data set that it was trained on, for the three classes "
        "and for up against down (unreadable left out), with 95 % intervals over events. Data sets can be "
        "compared by the right panel only; a network has the same colour and sign in all figures."
    ),
}
