"""What the report, the results page and the model cards say of the task."""

TITLE = "Shapes of folds"
ABOUT = (
    "Is the hinge of a fold in a picture box, chevron or rounded? Classifiers on 48 features of texture, small "
    "networks and large pretrained ones see one picture and give three probabilities. Pictures of one source stay "
    "in one set, and every score also stands without the test pictures that the training set holds too."
)
LIMITS = [
    "One fold, one hinge shape, in one picture: it always answers box, chevron or rounded, also for pictures of "
    "other folds, of several folds, or of none.",
    "Pictures are shrunk to the size under prepare, whatever their sides; beds thinner than a pixel there are lost.",
    "Drawn bands, photographs and other kinds of picture (sections, cores, thin sections, drone models) are "
    "different domains: look for the score of the kind you have, and expect less where it was not trained on it.",
    "Labels are one interpreter's, and chevron and rounded or rounded and box overlap: a wrong answer near a "
    "boundary may be a matter of opinion.",
    "Probabilities are scaled by a temperature from the validation pictures: right on average there, and not a "
    "promise for a single picture.",
    "A watermark, a scale object, sky or vegetation can decide the answer: look at the Grad-CAM overlay before you "
    "believe it.",
    "Not for a structural interpretation that a well, a tunnel or a hazard decision rests on, unless a geologist "
    "has looked at the picture.",
]
TABLES = {
    "fold_compare": (
        "Every model on validation and test pictures (split), with and without those that the training set "
        "holds too (duplicates: kept, removed), and by domain (all, modelled, outcrop). learning is shallow "
        "(48 features of texture), deep or transfer; training says what it started from. Compare rows of the "
        "same split, duplicates and domain. status: not run is a published figure that nothing was measured "
        "for; published figures are of other pictures. f1 is weighted by class. The difference between kept "
        "and removed is what duplicates feign."
    ),
    "fold_cross": (
        "Every model (trained_on) on the test pictures of every data set (tested_on). Compare the rows of one "
        "tested_on; a score that falls where the two differ is what does not carry over to other pictures."
    ),
}
FIGURES = {
    "confusion": (
        "Labels (rows) against answers (columns), on the validation and the test images: share of the row in "
        "colour, number of images in brackets. A good model has bright cells on the diagonal only; bright cells "
        "off it are the shapes that are taken for each other."
    ),
    "reliability": (
        "Left: accuracy of answers by their probability, as trained (grey squares) and after scaling on the "
        "validation images (coloured dots). On the line a probability can be taken as it stands; below it the "
        "model is too sure, above it not sure enough. Right: accuracy by kind of image with 95 % intervals; a "
        "kind whose interval reaches the line of chance is not told apart."
    ),
    "gallery": (
        "Test images of every label, with the answer and its probability; a red frame is a wrong answer. "
        "Look for what the wrong ones have in common, and for wrong ones that the model is sure of."
    ),
    "gradcam": (
        "Where a network found its answer (Grad-CAM): test images above, the same images with the parts that "
        "raised the answer in bright colours below. Look for light on hinges and limbs; light on the sky, the "
        "frame or a scale bar is a short cut that other images do not have."
    ),
    "features": (
        "What the 48 numbers of the shallow models are made of: the grey image, the response to stripes in one "
        "direction (Gabor) and the edges, for one test image of every class. They are drawn at the small size of "
        "the networks; the features are taken from the picture's own size, up to 256 pixels."
    ),
    "compare": (
        "Test accuracy of every model on the images that are not in training too, with 95 % intervals over "
        "images, best on top of its kind of learning (colour: shallow, deep, or transfer from another training); "
        "other figures have the same colours. Black ticks are published figures, which are of other images. Two "
        "models differ if the interval of their difference in the table leaves out 0, not if their dots are "
        "apart."
    ),
    "learning_curve": (
        "Test accuracy against the number of training images, with 95 % intervals over images; a line is a model, "
        "its colour the kind of learning. A line that still climbs on the right says that more images would help."
    ),
}
