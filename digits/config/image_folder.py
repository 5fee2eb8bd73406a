"""The keys of `data=image_folder`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from digits.config.sections import Count, Fraction, Share, Target


class ImageFolder(Target):
    """`data=image_folder`: pictures of one's own. What may be left to the folder is counted by `class_folders`."""

    name: Literal["image_folder"] = Field(description="the data set")
    root: str = Field(min_length=1, description="folder that holds a folder for each class")
    mean: float = Field(ge=0, le=1, description="mean of the training pixels, 0..1")
    std: float = Field(gt=0, le=1, description="standard deviation of the training pixels, 0..1")
    num_classes: Count | None = Field(description="number of classes; null: the folders', and none where it is kept")
    nondigits: Fraction | None = Field(
        description="pictures made for the class none, a share of those trained on; 0: the class is there only if the "
        "folder has it; null: 0.15 where init_from's net has it and the folder has not, else 0"
    )
    image_size: Literal[28] = Field(description="side of the patches in pixels")
    val_size: Share | Annotated[int, Field(ge=0)] = Field(
        description="pictures kept for validation, a number or a share of those that aren't tested on; 0: none"
    )
    split_seed: int = Field(ge=0, description="which stratified split")
    test_size: Share | Count | None = Field(
        description="pictures kept for the test, a number or a share of all; null: all, to evaluate on"
    )
    test_seed: int = Field(ge=0, lt=2**32, description="which pictures are kept for the test")
    limit: Count | None = Field(description="at most this many images of each split")
    batch_size: Count = Field(description="images a training step")
    eval_batch_size: Count = Field(description="images a validation or test step")
