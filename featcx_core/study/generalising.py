"""The sections of the analyses that ask whether a network generalises or memorises."""

from typing import Annotated, Literal

from pydantic import Field

from featcx_core.study.part import Part


class SelectivitySettings(Part):
    """Selectivity: how much a single unit says about the class."""

    bins: Annotated[int, Field(ge=2)] = 20
    """Bins of a unit's activations, of equal population, for the mutual information."""
    shuffles: Annotated[int, Field(ge=1)] = 20
    """Shuffled labels behind the selectivity by chance."""


class AblationSettings(Part):
    """Ablation: how much the network leans on single directions; where `analyses.run` names `ablation`."""

    images: Annotated[int, Field(ge=2)] = 200
    """Training images and held-out images (`test`) that are classified, each; at most all."""
    kinds: Annotated[tuple[Literal["unit", "concept", "random_direction"], ...], Field(min_length=1)] = (
        "unit",
        "concept",
        "random_direction",
    )
    """What is ablated: units; concepts, before the head only; random directions."""
    clamps: Annotated[tuple[Literal["zero", "mean"], ...], Field(min_length=1)] = ("zero",)
    """Value of what is ablated: zero, or its mean over the training images."""
    orders: Annotated[int, Field(ge=1)] = 10
    """Random orders behind a curve."""
    steps: Annotated[int, Field(ge=1)] = 10
    """Points of a curve after the first."""
    noise: tuple[Annotated[float, Field(gt=0)], ...] = (0.5, 1.0, 2.0, 4.0)
    """Scales of the noise on all units of a layer, in standard deviations of each unit."""


class MemorisationSettings(Part):
    """Memorisation: the course of learning of single training images."""

    images: Annotated[int, Field(ge=2)] = 800
    """Training images whose loss is measured at every checkpoint, the first ones of their seeded order; at most all."""


class SpectraSettings(Part):
    """Spectra of the noisy copies of single images in each layer."""

    images_per_class: Annotated[int, Field(ge=1)] = 2
    """Training images and held-out images (`test`) of each class, each; at most all."""
    copies: Annotated[int, Field(ge=2)] = 8
    """Noisy copies of each image: a group."""
    sigmas: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)] = (0.01, 0.1, 0.2)
    """Standard deviations of the noise, on pixels in [0, 1]."""
    attacks: tuple[Literal["fgsm", "pgd", "ddn"], ...] = ()
    """Attacks whose copies form further groups, each beside noise of the same norm; they take minutes an epoch."""
    epsilon: Annotated[float, Field(gt=0, le=1)] = 0.1
    """Largest change of a pixel by `fgsm` and `pgd`; `ddn` looks for the smallest change that fools the network."""
    centred: bool = False
    """Whether each group's mean is taken off before the decomposition."""


class MonitorSettings(Part):
    """Monitor, which tells inputs from clean ones by their inner spectra; where `analyses.run` names `monitor`."""

    images: Annotated[int, Field(ge=3)] = 100
    """Images of the `fit` half that are the clean reference, and of the `score` half that are scored, clean, noisy and
    attacked; at most all."""
    copies: Annotated[int, Field(ge=2)] = 10
    """Noisy copies of an input, whose spectrum is taken."""
    sigma: Annotated[float, Field(gt=0)] = 0.1
    """Standard deviation of their noise, on pixels in [0, 1]."""
    epsilon: Annotated[float, Field(gt=0, le=1)] = 0.1
    """Largest change of a pixel by `fgsm`, `pgd` and the adaptive attack."""
    adaptive_starts: Annotated[int, Field(ge=1)] = 5
    """Attacks of an image among which the adaptive one takes the least conspicuous that fools the network."""
