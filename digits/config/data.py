"""The keys of `data` and `augment`: type, range and meaning."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field

from digits.config.types import Count, Fraction, Name, Ours, Share

Mirrors: TypeAlias = list[Annotated[str, Field(pattern=r"^https?://.+/$")]] | None

TRAINING_IMAGES = {"mnist": 60_000, "fashion_mnist": 60_000, "kmnist": 60_000, "optdigits": 1_437}
"""Size of each data set's official training split; for optdigits, of this project's split."""

TEST_IMAGES = {"mnist": 10_000, "fashion_mnist": 10_000, "kmnist": 10_000, "optdigits": 360}
"""Size of each data set's test split."""

CLASSES, IMAGE_SIZE = 10, 28  # of all these data sets: ten classes, 28x28 pixels

NONE = "none"  # the reader's class for images without a digit; the same name in `digits.data.datasets` and the reader

NONDIGITS = 0.15  # images of class none, relative to all others: as the reader's, 0.35 / 2.3 (conf/data/reader.yaml)


class DataSet(Ours):
    """A data set of this package: its keys, and the properties of its kind that other code needs."""

    users_own: ClassVar[bool] = False  # the user's own pictures: counted, and normalised as init_from's net expects
    chosen_by: ClassVar[tuple[str, ...]] = ()  # keys besides the split's that choose the training images
    all_of_it: ClassVar[dict[str, None]] = {}  # keys and values with which every image is evaluated
    made_of: ClassVar[str | None] = None  # the data set whose files it reads, if not its own
    augmented: ClassVar[bool] = True  # whether the transforms of the group augment apply


class Data(DataSet):
    """`data`: the images, their split and their batches."""

    name: Literal["mnist", "fashion_mnist", "kmnist", "optdigits", "reader"] = Field(description="name of the data set")
    root: str = Field(min_length=1, description="folder that holds the data sets")
    mirrors: Mirrors = Field(description="URLs to fetch from, each ending in /; null: torchvision's")
    mean: float = Field(ge=0, le=1, description="mean of the training pixels, 0..1")
    std: float = Field(gt=0, le=1, description="standard deviation of the training pixels, 0..1")
    num_classes: Count = Field(description="number of classes")
    image_size: Count = Field(description="side of the square images in pixels")
    val_size: int = Field(ge=0, description="training images kept for validation; 0: train on all")
    split_seed: int = Field(ge=0, description="seed of the stratified split")
    limit: Count | None = Field(description="at most this many images of each split; null: all")
    batch_size: Count = Field(description="images per training step")
    eval_batch_size: Count = Field(description="images per validation or test step")


class Reader(Data):
    """`data=reader`: MNIST, and images generated from each of its splits, in numbers relative to the split's size."""

    made_of = "mnist"

    drawn: float = Field(ge=0, le=10, description="drawn digits per MNIST digit")
    altered: float = Field(ge=0, le=10, description="altered digits per MNIST digit")
    nondigits: float = Field(ge=0, le=10, description="images without a digit per MNIST digit")
    pages: int = Field(ge=0, le=10_000, description="composed pages to cut patches out of, per thousand MNIST digits")
    pages_seed: int = Field(ge=0, description="seed of the composed pages; independent of seed and split_seed")
    material: Name | None = Field(description="folder of handwriting fonts and of pictures without digits; null: none")
    cache: Name = Field(description="folder of the composed pages")


class Pages(DataSet):
    """`data=pages`: pages composed of MNIST's training digits, for a detector."""

    made_for, made_of, augmented = "detection", "mnist", False

    name: Literal["pages"] = Field(description="name of the data set")
    root: str = Field(min_length=1, description="folder that holds MNIST")
    mirrors: Mirrors = Field(description="URLs to fetch from, each ending in /; null: torchvision's")
    mean: float = Field(ge=0, le=0, description="0: the detector normalises its input, grey levels 0..1, itself")
    std: float = Field(ge=1, le=1, description="1: the detector normalises its input itself")
    num_classes: Literal[10] = Field(description="number of classes")
    image_size: Annotated[int, Field(ge=64, le=512, multiple_of=16)] = Field(
        description="side of the square training crops, in pixels"
    )
    val_size: Annotated[int, Field(ge=200)] = Field(
        description="training digits kept: half of them for validation pages, the other half for test pages"
    )
    split_seed: int = Field(ge=0, description="seed of the stratified split")
    limit: Count | None = Field(description="at most this many pages of each split; null: all")
    batch_size: Count = Field(description="crops per training step")
    eval_batch_size: Count = Field(description="pages per validation or test step")
    pages: Count = Field(description="pages to train on")
    val_pages: Count = Field(description="pages to validate on")
    test_pages: Count = Field(description="pages to test on")
    crops: Count = Field(description="crops per page and epoch")
    pages_seed: int = Field(ge=0, description="seed of the composed pages; independent of seed and split_seed")
    material: Name | None = Field(description="folder of handwriting fonts and of pictures without digits; null: none")
    cache: Name = Field(description="folder of the composed pages")


class ImageFolder(DataSet):
    """`data=image_folder`: the user's own pictures; `digits.data.class_folders` counts the values that are null."""

    users_own = True
    chosen_by = ("root", "test_size", "test_seed")
    all_of_it: ClassVar[dict[str, None]] = {"test_size": None}

    name: Literal["image_folder"] = Field(description="name of the data set")
    root: str = Field(min_length=1, description="folder that holds one folder per class")
    mean: float = Field(ge=0, le=1, description="mean of the training pixels, 0..1")
    std: float = Field(gt=0, le=1, description="standard deviation of the training pixels, 0..1")
    num_classes: Count | None = Field(
        description="number of classes; null: the number of folders, plus the class none if it is kept"
    )
    nondigits: Fraction | None = Field(
        description="images generated for the class none, as a share of the training pictures; 0: only the folder's "
        "own; null: 0.15 if the net of init_from has the class and the folder lacks it, else 0"
    )
    image_size: Literal[28] = Field(description="side of the patches in pixels")
    val_size: Share | Annotated[int, Field(ge=0)] = Field(
        description="pictures kept for validation: a number, or a share of those outside the test split; 0: none"
    )
    split_seed: int = Field(ge=0, description="seed of the stratified split")
    test_size: Share | Count | None = Field(
        description="pictures kept for the test: a number, or a share of all; null: all, for evaluation only"
    )
    test_seed: int = Field(ge=0, lt=2**32, description="seed of the choice of the test split")
    limit: Count | None = Field(description="at most this many images of each split; null: all")
    batch_size: Count = Field(description="images per training step")
    eval_batch_size: Count = Field(description="images per validation or test step")


# ---- Augmentations, the transforms of `digits.data.augment` ----------------------------------------


class RandomAffine(Ours):
    """`augment.affine`: an affine map of each image: rotation, shift, scale and shear."""

    degrees: float = Field(ge=0, le=180, description="largest rotation in degrees, in either direction")
    translate: float = Field(ge=0, le=28, description="largest shift along each axis, in pixels")
    scale: Fraction = Field(description="largest change of size; 0.1: by factors from 0.9 to 1.1")
    shear: float = Field(ge=0, lt=90, description="largest shear in degrees")


class RandomWarp(RandomAffine):
    """`augment.warp`: an affine map and an elastic distortion of each image."""

    elastic: float = Field(ge=0, le=28, description="largest root mean square displacement in pixels")
    smoothness: float = Field(
        ge=0.5, le=28, description="standard deviation of the Gaussian that smooths the displacements, in pixels"
    )


class RandomStroke(Ours):
    """`augment.stroke`: thicker or thinner strokes."""

    width: float = Field(gt=0, le=1, description="largest growth or shrinking of each side of a stroke, in pixels")


class RandomErase(Ours):
    """`augment.erase`: a blank rectangle at a random place."""

    size: float = Field(gt=0, le=28, description="largest side of the rectangle in pixels")


class RandomStretch(Ours):
    """`augment.stretch`: wider or narrower images."""

    width: float = Field(ge=0, le=1, description="largest change of width; 0.1: by factors from exp(-0.1) to exp(0.1)")


class RandomBlur(Ours):
    """`augment.blur`: a Gaussian blur, as out of focus."""

    sigma: float = Field(ge=0, le=28, description="largest standard deviation of the Gaussian in pixels")


class RandomResolution(Ours):
    """`augment.resolution`: images reduced to a low resolution and enlarged again."""

    smallest: int = Field(ge=1, le=28, description="least width of the reduced image in pixels")


class RandomTone(Ours):
    """`augment.tone`: brightness, gamma and contrast."""

    dimmest: float = Field(gt=0, le=1, description="least brightness of the brightest pixel, as a share of white")
    gamma: float = Field(ge=0, le=3, description="largest change of gamma; 0.1: gammas from exp(-0.1) to exp(0.1)")
    steepest: float = Field(ge=1, le=1000, description="largest factor by which the contrast grows; 1: unchanged")


class RandomNoise(Ours):
    """`augment.noise`: Gaussian noise, as of a camera."""

    sigma: Fraction = Field(description="largest standard deviation, as a share of white")
