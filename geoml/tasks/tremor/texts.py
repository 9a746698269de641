"""What the report, the results page and the model cards say of the task."""

TITLE = "Triggered tremor"
ABOUT = (
    "Does a seismogram hold tremor that the surface waves of a distant earthquake triggered? A network sees 1000 s "
    "of one component at 20 Hz, filtered from 2 to 5 Hz, and gives a probability. What is tested is of events and "
    "of stations that training has not seen; a split at random, as published, stands beside it."
)
LIMITS = [
    "It was trained on windows of 1000 s at 20 Hz that begin when waves of 4 km/s from a distant large earthquake "
    "come in. In continuous records it meets windows of every kind: expect more false alarms than the test set "
    "shows.",
    "One component at a time, 2 to 5 Hz: what lies outside is not seen. Records below 10 Hz are refused, gaps and "
    "clipped stretches left out with a reason; an instrument that does not record these frequencies well is not "
    "found out.",
    "Local earthquakes, aftershocks, machines and traffic that come in bursts look like tremor: check a catalogue "
    "and the neighbouring stations.",
    "It may have learnt the network of stations in place of tremor where classes come from different ones; the "
    "control on the spectral floor in the comparison table must be at chance.",
    "The detection threshold lets one in twenty validation traces without tremor pass; how many false alarms a day "
    "that is depends on your station and is not known.",
    "It says neither where the tremor is, nor its size, and ordinary (not triggered) tremor was not tested.",
    "Not for an operational or hazard decision, unless an analyst has looked at the windows.",
]
TABLES = {
    "tremor_compare": (
        "Every model on test traces. events_in_train and stations_in_train are the shares of test traces "
        "whose event or station training has seen: 0 is an honest test, 1 the published kind. train_accuracy "
        "far above accuracy means learnt by heart. floor is a control that sees only the colour of the "
        "quietest tenth of a trace: if it does well, something else than tremor tells the classes apart. "
        "_at_threshold is at the probability that the validation traces chose (threshold), all others at 0.5."
    ),
    "tremor_clusters": (
        "What clusters of the test embeddings are made of: a row per network, seed and method (kmeans_2 has "
        "two clusters, the others choose their number; noise is the share that no cluster takes). ari, nmi "
        "and purity say how far clusters agree with the label, the event, the station and the component: 0 is "
        "chance for ari, 1 is complete. Good clusters agree with the label and not with the others. "
        "silhouette, -1 to 1, is how well they are set apart, whatever they mean."
    ),
}
FIGURES = {
    "curves": (
        "Left: share of tremor found against share of other traces called tremor. Middle: share of calls that are "
        "right against share of tremor found. The dot is the threshold chosen on the validation traces; curves on "
        "the lines are no better than chance. Right: accuracy of answers by their probability, as trained (grey "
        "squares) and after scaling on the validation traces (coloured dots)."
    ),
    "confusion": (
        "Labels (rows) against answers (columns) of the test traces: share of the row in colour, number of traces "
        "in brackets. Right: accuracy by kind of trace. Look at the kinds that are taken for tremor: surface "
        "waves, coda, local earthquakes and bursts each want another remedy."
    ),
    "traces": (
        "Test traces without (left) and with tremor (right), the best answered on top: trace and envelope, and "
        "below the power at each frequency (decibels, each trace to its own scale). The black bar says when "
        "surface waves of the distant earthquake pass. Shades show which parts speak for (orange) or against "
        "(violet) tremor where the model is a network; red titles are wrong answers."
    ),
    "embedding_pca": (
        "What a network that puts like traces together has made of the validation traces, a row an epoch, in the "
        "two main directions of its numbers, coloured by label, by event and by station. Clusters by label are "
        "wanted; clusters by event or station say that it knows the place and the day instead."
    ),
    "embedding_tsne": (
        "The same numbers of the validation traces, in a plane that keeps neighbours together (t-SNE), a row an "
        "epoch, coloured by label, by event and by station. Only who lies beside whom means something: distances "
        "between clusters and their sizes do not."
    ),
    "neighbours": (
        "Some test traces (grey) and the three that the network puts nearest to each, as envelopes: blue of the "
        "same label, vermilion of another. The titles say label, event and station, how alike they are (1: the "
        "same) and what they share. Neighbours that share the station but not the label are what it should not "
        "look at."
    ),
    "compare": (
        "Accuracy of every model on test traces (signs with 95 % intervals over events) and on training traces "
        "(bars), under every split; the titles say which share of test events and stations training has seen. A "
        "long dotted line is what was learnt by heart; a model whose interval reaches the grey line is no better "
        "than chance."
    ),
}
