"""Pictures that excite a concept: their Fourier phases are optimised, their magnitudes stay those of the images.

Fel et al., *Unlocking Feature Visualization for Deeper Networks with MAgnitude Constrained Optimization* (MACO),
NeurIPS 2023. Nothing is downloaded: the magnitudes are those of the study's own images.
"""

from collections.abc import Callable, Iterator
from math import pi
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from featcx_core.progress import Progress, silent

N_CROPS = 8
"""Random crops of a picture at every step."""
SMALLEST_CROP = 0.6
"""Side of the smallest crop as a share of the picture's, which is that of the network's input."""
NOISE = 0.08
"""Standard deviation of the noise on every crop, on pixels in [0, 1]."""
LEARNING_RATE = 0.1
"""Learning rate of Adam, in radians."""

Batches = Callable[[], Iterator[Float[Tensor, "image channel height width"]]]
Acts = Callable[[Float[Tensor, "image channel height width"]], Float[Tensor, "image unit"]]


class MagnitudeSpectrum(NamedTuple):
    """Colours and magnitudes that every picture shares with the images."""

    mean: Float[Tensor, "channel"]
    """Mean colour of the images, and of every picture; pixels in [0, 1]."""
    basis: Float[Tensor, "channel channel"]
    """Columns: orthonormal directions of colour that do not correlate over the images' pixels."""
    magnitude: Float[Tensor, "channel height width"]
    """Mean size of the images' two-dimensional Fourier coefficients along each direction; 0 at frequency 0."""

    @classmethod
    def of(cls, batches: Batches) -> "MagnitudeSpectrum":
        """Return the spectrum of images with pixels in [0, 1]; `batches` is called twice."""
        n_pixels, total, products = 0, torch.zeros(()), torch.zeros(())
        for images in batches():
            colours = images.double().movedim(1, -1).flatten(0, 2)
            n_pixels, total = n_pixels + len(colours), total + colours.sum(0)
            products = products + colours.T @ colours
        mean = total / n_pixels
        _, basis = torch.linalg.eigh(products / n_pixels - torch.outer(mean, mean))
        n_images, magnitude = 0, torch.zeros(())
        for images in batches():
            parts = torch.einsum("nchw,cd->ndhw", images.double() - mean[:, None, None], basis)
            n_images, magnitude = n_images + len(images), magnitude + torch.fft.fft2(parts).abs().sum(0)
        magnitude = magnitude / n_images
        magnitude[:, 0, 0] = 0
        return cls(mean.float(), basis.float(), magnitude.float())

    def pictures(
        self, phases: Float[Tensor, "picture channel height width"]
    ) -> Float[Tensor, "picture channel height width"]:
        """Return the real pictures with these magnitudes, pixels about [0, 1] and not clipped.

        Phases count as φ(k) - φ(-k), which makes every picture real.
        """
        mirrored = phases.flip(-2, -1).roll((1, 1), (-2, -1))
        parts = torch.fft.ifft2(torch.polar(self.magnitude.expand_as(phases), phases - mirrored)).real
        return torch.einsum("ndhw,cd->nchw", parts, self.basis) + self.mean[:, None, None]


class Pictures(NamedTuple):
    """Pictures of concepts, and how strongly each excites its own."""

    images: Float[Tensor, "concept channel height width"]
    """Pixels about [0, 1], not clipped, so that their spectrum is the fixed one."""
    projection: Float[Tensor, "concept"]
    """Activations of the picture along the atom, a·d."""
    start: Float[Tensor, "concept"]
    """The same before the first step, of random phases."""


def visualise(
    acts: Acts,
    atoms: Float[Tensor, "concept unit"],
    spectrum: MagnitudeSpectrum,
    *,
    steps: int = 256,
    n_crops: int = N_CROPS,
    seeds: list[int],
    progress: Progress | None = None,
) -> Pictures:
    """Make a picture for every atom d: Adam raises `a·d · max(cos(a, d), 0.1)²` over phases that start at random.

    a are the activations of random crops with noise, resized to the picture's size. The second factor keeps the picture
    to this concept; other concepts, too, would give a large a·d. Pictures do not influence each other.

    Args:
        acts: From pixels in [0, 1] to activations, differentiable.
        atoms: Atoms of unit norm.
        spectrum: Colours and magnitudes, on the device of the activations.
        steps: Steps of the optimisation.
        n_crops: Crops of a picture at each step.
        seeds: One per atom: the same seed gives the same picture, whatever other pictures are made.
        progress: Shows the steps.

    Raises:
        ValueError: The numbers of seeds and atoms differ.

    Source: Fel et al. 2023 (MACO).
    """
    if len(seeds) != len(atoms):
        raise ValueError(f"wanted one seed an atom, got {len(seeds)} for {len(atoms)}")
    device, shape = spectrum.magnitude.device, spectrum.magnitude.shape
    chances = [torch.Generator().manual_seed(seed) for seed in seeds]  # on the CPU: the same on every device
    phases = torch.stack([pi * (2 * torch.rand(shape, generator=chance) - 1) for chance in chances]).to(device)
    phases.requires_grad_()
    optimizer = torch.optim.Adam([phases], lr=LEARNING_RATE)
    with torch.no_grad():
        start = (acts(spectrum.pictures(phases)) * atoms).sum(1)
    for _ in (progress or silent)(range(steps), desc="pictures"):
        seen = acts(_crops(spectrum.pictures(phases), chances, n_crops)).reshape(len(atoms), n_crops, -1)
        along = (seen * atoms[:, None]).sum(2)
        cosine = along / seen.norm(dim=2).clamp(min=1e-12)
        optimizer.zero_grad()
        torch.autograd.backward(-(along * cosine.clamp(min=0.1).square()).mean(1).sum(), inputs=[phases])
        optimizer.step()
    with torch.no_grad():
        images = spectrum.pictures(phases)
        return Pictures(images, (acts(images) * atoms).sum(1), start)


def _crops(
    pictures: Float[Tensor, "picture channel height width"], chances: list[torch.Generator], n_crops: int
) -> Float[Tensor, "crop channel height width"]:
    """Draw square parts of each picture, enlarged to its size, with noise; all of one picture, then of the next."""
    drawn = torch.stack([torch.rand(n_crops, 3, generator=chance) for chance in chances]).flatten(0, 1)
    shape = (n_crops, *pictures.shape[1:])
    noise = torch.stack([torch.randn(shape, generator=chance) for chance in chances]).flatten(0, 1)
    side = SMALLEST_CROP + (1 - SMALLEST_CROP) * drawn[:, 0]
    centres = (2 * drawn[:, 1:] - 1) * (1 - side[:, None])  # in [-1, 1], such that the part lies within
    frame = torch.cat([torch.diag_embed(side[:, None].expand(-1, 2)), centres[..., None]], dim=2).to(pictures.device)
    repeated = pictures.repeat_interleave(n_crops, dim=0)
    places = affine_grid(frame, list(repeated.shape), align_corners=False)
    parts = grid_sample(repeated, places, padding_mode="border", align_corners=False)
    return parts + NOISE * noise.to(parts)
