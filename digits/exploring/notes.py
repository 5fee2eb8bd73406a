"""Facts about the data sets from their publications."""

from __future__ import annotations

from typing import NamedTuple


class Notes(NamedTuple):
    """Facts about a data set that can't be measured, as HTML."""

    about: str
    split: str
    frame: str
    turning: str


DIGIT_TURNING = (
    "A photograph of a cat may be mirrored; a digit may not. A mirrored 2 or 5 is not a digit at all, or the other one "
    "badly written, and a 6 turned by half is a 9: the label would be wrong. So no flips and no large rotations."
)
OFFICIAL = (
    "The official test images are the <em>test split</em>: used once, at the end, for the accuracy that is reported. "
    "The official training images are divided into two:"
)
NOTES = {
    "mnist": Notes(
        "Digits written by employees of the US Census Bureau and by high-school pupils, collected by NIST; "
        "LeCun, Cortes and Burges mixed the two groups into training and test set (LeCun et al. 1998, "
        "<cite>Gradient-based learning applied to document recognition</cite>).",
        OFFICIAL,
        "MNIST’s makers scaled every scanned digit to fit a box of 20 × 20 pixels, keeping its proportions, and laid "
        "it into 28 × 28 so that its centre of mass comes to lie in the middle (LeCun et al. 1998).",
        DIGIT_TURNING,
    ),
    "fashion_mnist": Notes(
        "Pictures of Zalando’s articles, made as a harder replacement for MNIST in the same format "
        "(Xiao, Rasul and Vollgraf 2017, <cite>Fashion-MNIST</cite>).",
        OFFICIAL,
        "Its makers trimmed each photograph, resized its longest edge to 28 pixels and set it in the middle by its "
        "box, not by its centre of mass (Xiao et al. 2017).",
        "A mirrored shirt is still a shirt, so a left–right flip can be a sound augmentation here, and is worth an "
        "experiment; upside-down clothes do not occur in the test set. The pipeline adds no flip by itself.",
    ),
    "kmnist": Notes(
        "Cursive hiragana from classical Japanese books, one class for each row of the syllabary "
        "(Clanuwat et al. 2018, <cite>Deep learning for classical Japanese literature</cite>).",
        OFFICIAL,
        "The measurements show how uniformly the characters are framed.",
        "A character’s mirror image is not a character: nobody writes it, so there is nothing to learn from it.",
    ),
    "optdigits": Notes(
        "Digits of 43 writers from forms, reduced to 8 × 8 counts of ink (Alpaydin and Kaynak 1998); the part that "
        "comes with scikit-learn. Enlarged here to 20 × 20 and set in the middle of 28 × 28, hence the soft strokes.",
        "scikit-learn’s part of the set is not split by its makers. A fixed fifth of each class is the "
        "<em>test split</em> here: used once, at the end, for the accuracy that is reported. The rest is divided into "
        "two:",
        "The enlarged images are centred as they are, not by their centres of mass.",
        DIGIT_TURNING,
    ),
}
UNKNOWN = Notes(
    "The origin of this data set is not recorded here; what follows was measured.",
    OFFICIAL,
    "The measurements show how uniformly the images are framed.",
    "Whether a mirrored image still belongs to its class is for you to judge; the pipeline adds no flips by itself.",
)
