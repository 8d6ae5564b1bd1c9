"""Records behind the explorer's pages: a concept, an image, a memorised image."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int64


class Shown(NamedTuple):
    """An image that is shown of a concept."""

    image: int
    """Index in the data."""
    label: int
    """Its class."""
    share: float
    """The concept's code on it, as a share of the highest."""
    file: str = ""
    """Path of its file; empty where there is none."""


class Bin(NamedTuple):
    """A bin of a concept's histogram."""

    high: float
    """Code at which it ends."""
    n_images: int
    """Images in it."""
    image: int | None
    """One of them."""
    label: int | None
    """Its class."""


class Effect(NamedTuple):
    """Predictions without a concept."""

    accuracy: float | None
    """Share of images classified rightly; None where no output is a class."""
    accuracy_without: float | None
    """The same without it."""
    n_flipped: int
    """Images whose prediction changes."""
    low: float
    """Lower end of the interval of their share."""
    high: float
    """Upper end."""
    n_lost: float | None
    """Images that turn wrong."""
    n_gained: float | None
    """Images that turn right."""


class Step(NamedTuple):
    """A concept's match at an epoch."""

    epoch: int
    """Number of the checkpoint."""
    concept: int | None
    """The matched concept of that epoch; None without a match."""
    cosine: float | None
    """Cosine of the atoms."""
    by_chance: float | None
    """Cosine that random atoms reach."""
    complexity: float | None
    """K of the match."""
    importance: float | None
    """Γ of the match."""
    images: list[tuple[int, int]]
    """Its strongest images and their classes."""


class Made(NamedTuple):
    """A picture that was made to excite a concept."""

    file: str
    """Beside the page."""
    activation: float
    """Its activation along the concept's atom."""
    best_image: float
    """The highest activation of any probe image."""


class Looks(NamedTuple):
    """Everything on a concept's page beside its scores and charts."""

    images: list[Shown]
    """The probe images on which it is strongest, strongest first."""
    heat_maps: str
    """Heat maps of where it is active in them, as `pictures.as_text` writes them; empty where there are none."""
    neighbours: list[tuple[int, float]]
    """The nearest concepts and the cosine of their atoms."""
    made: Sequence[Made] = ()
    """The pictures that were made to excite it."""
    middle: Sequence[Shown] = ()
    """Images in the middle of its range."""
    least: Sequence[Shown] = ()
    """Images at its lower end, above zero."""
    bins: Sequence[Bin] = ()
    """Its histogram; the first bin holds the code 0."""
    logits: Sequence[tuple[int, float, float | None]] = ()
    """Outputs, what a code of 1 adds to each, and what it adds on average where it is active."""
    effect: Effect | None = None
    """Predictions without it."""
    flips: Sequence[tuple[int, int, int, int]] = ()
    """Images whose prediction changes without it: image, class, output before and after."""
    path: Sequence[Step] = ()
    """Its matches over the epochs."""
    weights: Float32[np.ndarray, "output"] = np.zeros(0, dtype=np.float32)
    """What a code of 1 adds to each logit."""
    places: Int64[np.ndarray, "active"] = np.zeros(0, dtype=np.int64)
    """Images of `Ablated` on which it is active, by their place there."""
    codes: Float32[np.ndarray, "active"] = np.zeros(0, dtype=np.float32)
    """Its code on them."""

    @property
    def all_images(self) -> set[int]:
        """All images that its page shows."""
        shown = {each.image for each in (*self.images, *self.middle, *self.least)}
        of_bins = {each.image for each in self.bins if each.image is not None}
        return shown | of_bins | {flip[0] for flip in self.flips} | {i for step in self.path for i, _ in step.images}


class Ablated(NamedTuple):
    """The images on which the page computes predictions without concepts."""

    images: list[int]
    """Index in the data."""
    labels: list[int]
    """Their classes."""
    logits: Float32[np.ndarray, "image output"]
    """Logits of the network."""
    class_of: list[int] | None
    """Class that each output stands for, -1 for none; None where no output is a class."""
    n_probe: int
    """Probe images that there are."""


class ImageLook(NamedTuple):
    """Contents of an image's page."""

    label: int
    """Its class."""
    file: str
    """Path of its file; empty where there is none."""
    predicted: int
    """Output with the largest logit."""
    is_right: bool | None
    """Whether that is its class; None where no output is a class."""
    n_active: int
    """Concepts that are active on it."""
    logit: float
    """Logit of the predicted output."""
    by_concepts: float
    """Part of it that all concepts bring."""
    by_rest: float
    """Part that they leave."""
    bias: float
    """The head's bias."""
    concepts: list[tuple[int, float, float]]
    """Concepts that bring or take most: concept, code, contribution."""


class Memorised(NamedTuple):
    """A training image that was learned late or not at all."""

    image: int
    """Index in the data."""
    label: int
    """Class that it was trained with."""
    label_before: int
    """Class before the study corrupted labels."""
    cumulative_loss: float
    """Sum of its loss over the checkpoints."""
    epoch_learned: int | None
    """First checkpoint from which on it stays right; None where it is wrong at the last."""
    n_forgotten: int
    """Times it was right and then wrong."""
    file: str
    """Path of its file; empty where there is none."""
