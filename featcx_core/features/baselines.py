"""Baseline dictionaries: K-means and PCA of scikit-learn, and the sparse autoencoder of overcomplete.

A conclusion that holds for `nmf` can be checked against them. Images are encoded in the same way (`nnls`), so only the
atoms differ. Classes are fitted one by one. The packages are heavy, and are imported where they are used.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from torch.nn.functional import normalize

from featcx_core.arrays import Array
from featcx_core.features.factorisation import Factorisation, checked
from featcx_core.features.nnls import nnls
from featcx_core.study.fields import StudyError

_STEPS, _BATCH, _LEARNING_RATE = 500, 256, 1e-2  # of the autoencoder

Fit: TypeAlias = Callable[[torch.Tensor], tuple[torch.Tensor, int]]
"""From a class's samples to its atoms, of any length, and the number of iterations."""


def kmeans(acts: Sequence[Float[Array, "_ unit"]], *, n_atoms: int, seed: int = 0) -> Factorisation:
    """Fit atoms as the directions of the centres of `n_atoms` clusters of each class's samples.

    A centre without samples is dead. Arguments and errors as `nmf`; the error is that of the best non-negative codes.

    Source: `sklearn.cluster.KMeans`.

    >>> import numpy as np
    >>> result = kmeans([np.array([[3.0, 4.0], [6.0, 8.0], [0.0, -1.0], [0.0, -2.0]])], n_atoms=2)
    >>> sorted(result.atoms[0].round(3).tolist())
    [[0.0, -1.0], [0.6, 0.8]]
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    def centres(samples: torch.Tensor) -> tuple[torch.Tensor, int]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct samples than clusters
            model = KMeans(n_atoms, random_state=seed, n_init=4).fit(samples.cpu().numpy())
        used = np.isin(np.arange(n_atoms), model.labels_)
        return torch.from_numpy(model.cluster_centers_ * used[:, None]), int(model.n_iter_)

    return _each(acts, centres, n_atoms=n_atoms)


def pca(acts: Sequence[Float[Array, "_ unit"]], *, n_atoms: int, seed: int = 0) -> Factorisation:
    """Fit atoms as the direction of each class's mean and its principal components, each in both directions.

    Codes are non-negative and z D has no offset, so the mean is an atom. A component v has scores of either sign, so it
    makes two atoms, v for the samples above the mean and -v for those below; the one of the larger scores comes first.
    The first `n_atoms` are kept. A component without variance is dead. Arguments and errors as `nmf`; the error is that
    of the best non-negative codes.

    Source: `sklearn.decomposition.PCA`.

    >>> import numpy as np
    >>> result = pca([np.array([[5.0, 2.0, 0.0], [5.0, -1.0, 0.0], [5.0, -1.0, 0.0]])], n_atoms=3)
    >>> (result.atoms[0].round(3) + 0.0).tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, -1.0, 0.0]]
    """
    from sklearn.decomposition import PCA

    def components(samples: torch.Tensor) -> tuple[torch.Tensor, int]:
        atoms = [samples.mean(dim=0, keepdim=True).cpu()]
        n_components = n_atoms // 2
        if n_components and (samples != samples[0]).any():
            model = PCA(n_components, random_state=seed)
            scores = model.fit_transform(samples.cpu().numpy())
            above, below = np.square(scores.clip(min=0)).sum(0), np.square(scores.clip(max=0)).sum(0)
            varies = model.explained_variance_ > 1e-6 * model.explained_variance_.sum()
            first = torch.from_numpy(model.components_ * np.where(above >= below, 1, -1)[:, None] * varies[:, None])
            atoms += [first.repeat_interleave(2, dim=0) * torch.tensor([1.0, -1.0]).repeat(n_components)[:, None]]
        kept = torch.cat(atoms)[:n_atoms]
        return torch.cat([kept, kept.new_zeros(n_atoms - len(kept), kept.shape[1])]), 0

    return _each(acts, components, n_atoms=n_atoms)


def sae(acts: Sequence[Float[Array, "_ unit"]], *, n_atoms: int, seed: int = 0) -> Factorisation:
    """Fit atoms as the decoder directions of a sparse autoencoder of each class's samples.

    A quarter of the atoms are active at a time. They start as directions of samples, and 500 steps of Adam on 256
    samples train them. Arguments and errors as `nmf`; the error is that of the best non-negative codes.

    Raises:
        StudyError: If overcomplete is not installed or cannot be imported.

    Source: Gao et al. 2024 (top-k autoencoders); `overcomplete.sae.TopKSAE` by Fel.
    """
    autoencoders = _autoencoders()

    def decoder(samples: torch.Tensor) -> tuple[torch.Tensor, int]:
        device = samples.device
        length = samples.square().sum(dim=1).mean().sqrt()
        if not length > 0:
            return samples.new_zeros(n_atoms, samples.shape[1]), 0
        samples = samples.float() / length
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), torch.enable_grad():
            torch.manual_seed(seed)
            begin = normalize(samples[torch.randperm(len(samples))[:n_atoms].to(device)], dim=1)
            start = {"initializer": begin.cpu().numpy()}
            model = autoencoders.TopKSAE(
                samples.shape[1], n_atoms, top_k=max(1, n_atoms // 4), dictionary_params=start, device=str(device)
            ).untied(bias=True)
            autoencoders.train_sae(
                model,
                _batches(samples),
                lambda x, rebuilt, *_: (x - rebuilt).square().sum(dim=1).mean(),
                torch.optim.Adam(model.parameters(), lr=_LEARNING_RATE),
                nb_epochs=1,
                monitoring=0,
                device=str(device),
            )
        return model.get_dictionary().detach(), _STEPS

    return _each(acts, decoder, n_atoms=n_atoms)


def _batches(samples: torch.Tensor) -> Iterator[torch.Tensor]:
    for _ in range(_STEPS):
        yield samples[torch.randint(len(samples), (_BATCH,)).to(samples.device)]


def _autoencoders() -> Any:
    """Import overcomplete's module of sparse autoencoders."""
    import matplotlib.cm

    # overcomplete 0.3 imports a function that matplotlib 3.9 removed; remove this line with a release that does not.
    vars(matplotlib.cm).setdefault("get_cmap", matplotlib.colormaps.get_cmap)
    try:
        import overcomplete.sae
    except ImportError as error:
        reason = "is not installed" if error.name == "overcomplete" else f"cannot be imported ({error})"
        raise StudyError(
            f"dictionary.method = \"sae\": overcomplete {reason}; try pip install 'featcx[dictionaries]'"
        ) from error
    return overcomplete.sae


def _each(acts: Sequence[Float[Array, "_ unit"]], fit: Fit, *, n_atoms: int) -> Factorisation:
    """Fit class by class; an atom that no sample's best code uses is dead."""
    tensors, restore = checked(acts, n_atoms=n_atoms)
    parts = []
    for samples in tensors:
        directions, n_iterations = fit(samples)
        atoms = normalize(directions.to(samples), dim=1)
        coded = nnls(samples, atoms, l1=0.0).codes  # l2 > 0, without which opposite atoms have no unique codes
        norm = torch.linalg.vector_norm(samples)
        error = torch.linalg.vector_norm(samples - coded @ atoms) / torch.where(norm > 0, norm, 1)
        used = (coded > 0).any(dim=0)
        parts.append((torch.where(used[:, None], atoms, 0), error, torch.tensor(n_iterations), ~used))
    return Factorisation(*(restore(torch.stack(values)) for values in zip(*parts, strict=True)))
