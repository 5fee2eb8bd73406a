"""The data sets as a model card names them: titles, licences, and what the Hugging Face Hub calls them."""

from __future__ import annotations

from typing import NamedTuple

from digits.config.trust import is_trusted
from digits.runs.schema import RecordedData


class Origin(NamedTuple):
    """Where the images of a data set come from."""

    title: str
    licence: str  # of the images
    hub: str | None = None  # the id of the set on the Hub; None: not there under its authors' name


MNIST = Origin("MNIST", "CC BY-SA 3.0 (Yann LeCun, Corinna Cortes, Christopher J. C. Burges)", "ylecun/mnist")

ORIGINS = {
    "mnist": MNIST,
    "fashion_mnist": Origin("Fashion-MNIST", "MIT (Zalando)", "zalando-datasets/fashion_mnist"),
    "kmnist": Origin("KMNIST", "CC BY-SA 4.0 (ROIS-DS Center for Open Data in the Humanities)"),
    "optdigits": Origin("optdigits", "CC BY 4.0 (Ethem Alpaydin, Cevdet Kaynak; UCI Machine Learning Repository)"),
    "reader": MNIST._replace(title="MNIST and images generated from it"),
    "pages": MNIST._replace(title="pages composed of MNIST's training digits"),
}


def origin_of(data: RecordedData) -> Origin:
    """The origin of a run's data; a set that does not ship is known by its name alone."""
    if is_trusted(str(data.target)) and data.name in ORIGINS:
        return ORIGINS[data.name]
    title = "pictures in a folder for each class" if data.kind.users_own else str(data.name)
    return Origin(title, "not known to the program that made this card; ask whoever has the images")
