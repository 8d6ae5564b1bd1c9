"""The monitor at the reference epoch: clean references, attacked and noisy inputs, scores of every detector."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Float64, Int64

from featcx_core.analyses.monitor import ALL_LAYERS
from featcx_core.analyses.noise_groups.make import layer_taps
from featcx_core.artefacts.given import Given
from featcx_core.features.attacks import Attacked, ddn, fgsm, pgd, same_norm
from featcx_core.features.forward import Network, Tap, pooled
from featcx_core.features.pixel_gradients import Pixels, in_pixels, l2
from featcx_core.images.noise import white_noise
from featcx_core.measures.monitor import Reference, alarm, clean_reference, doubt, mahalanobis, spectrum_features
from featcx_core.measures.roc import roc_auc
from featcx_core.measures.spectra import GroupSpectra

CLEAN, ADAPTIVE, GAUSSIAN = "clean", "adaptive", "gaussian"
_LEAST_CLEAN = 19  # the fewest for a threshold of 5 %
Scores = dict[tuple[str, str], Float64[np.ndarray, "image"]]
"""Scores of some inputs by layer and detector."""


class _Inputs(NamedTuple):
    """Inputs of one kind, one for each scored image."""

    pixels: Pixels
    norm: Float64[np.ndarray, "image"]
    is_fooled: np.ndarray


class _Seen(NamedTuple):
    """Answers of the network to some inputs."""

    spectra: dict[str, Float64[np.ndarray, "image feature"]]
    """Features of the inner spectra, by layer."""
    acts: dict[str, Float[np.ndarray, "image unit"]]
    """Pooled activations, by layer."""
    logits: Float[np.ndarray, "image class"]
    """Logits."""


def monitor_rows(given: Given) -> dict[str, pd.DataFrame]:
    """Return areas under the ROC and thresholds, and the scores behind them, by table.

    Raises CheckpointError for an unusable checkpoint, ValueError for an attack on a network without gradients.
    """
    watcher = _Watcher(given)
    clean = watcher.scores(watcher.clean)
    found: dict[str, tuple[_Inputs, Scores]] = {}
    for start, (name, inputs) in enumerate(watcher.inputs(), start=1):
        found[name] = inputs, watcher.scores(inputs.pixels, start=start)
    areas = [_area_row(clean[key], scores[key], inputs, key, name)
             for name, (inputs, scores) in found.items() for key in clean]  # fmt: skip
    scored = [_score_rows(clean, CLEAN, watcher.rows, np.zeros(len(watcher.rows), dtype=bool))]
    scored += [_score_rows(scores, name, watcher.rows, inputs.is_fooled) for name, (inputs, scores) in found.items()]
    return {
        "monitor": pd.DataFrame(areas).assign(epoch=given.epoch),
        "monitor_scores": pd.concat(scored, ignore_index=True).assign(epoch=given.epoch),
    }


class _Watcher:
    """Clean references of a network's layers, and the inputs that are held against them.

    Args:
        given: what is made.
    """

    def __init__(self, given: Given) -> None:
        self.given, self.settings, self.seed = given, given.study.monitor, given.study.seed
        self.network: Network = given.network(epoch=given.epoch, device=given.tools.device)
        data, n = self.network.data, self.settings.images
        self.rows: Int64[np.ndarray, "image"] = data.split["score"][:n]
        self.clean = self._pixels(self.rows)
        self.logits = in_pixels(self.network.model, mean=data.mean, std=data.std)
        reference = data.split["fit"][:n]
        seen = self._seen(self._pixels(reference), start=0, keys=reference)
        labels = data.labels[reference]
        self.of_spectra: Mapping[str, Reference] = {
            **{layer: clean_reference(features) for layer, features in seen.spectra.items()},
            ALL_LAYERS: clean_reference(np.concatenate(list(seen.spectra.values()), axis=1)),
        }
        self.of_acts = {layer: clean_reference(acts, labels) for layer, acts in seen.acts.items()}

    def inputs(self) -> Iterator[tuple[str, _Inputs]]:
        """Yield inputs of every kind, by name; the class attacked is the one predicted for the clean image."""
        predicted, settings = self._predicted(self.clean), self.settings
        epsilon = settings.epsilon
        of_pgd = pgd(self.logits, self.clean, predicted, epsilon=epsilon, rows=self.rows, seed=self.seed)
        noise = same_norm(self.clean, of_pgd.norm, self.rows, n_copies=1, seed=self.seed + 1)[:, 0]
        is_other = (self._predicted(noise) != predicted).cpu().numpy()
        yield GAUSSIAN, _Inputs(noise, _numbers(l2(noise - self.clean)), is_other)
        yield "pgd", _of_attack(of_pgd)
        yield "fgsm", _of_attack(fgsm(self.logits, self.clean, predicted, epsilon=epsilon))
        yield "ddn", _of_attack(ddn(self.logits, self.clean, predicted))
        yield ADAPTIVE, self._adaptive(predicted)

    def scores(self, pixels: Pixels, *, start: int = 99) -> Scores:
        """Return the scores of inputs by every detector; `start` tells the noise of one call from another's."""
        seen, penultimate = self._seen(pixels, start=start, keys=self.rows), self.given.anatomy.penultimate
        found: Scores = {(layer, "spectrum"): mahalanobis(features, self.of_spectra[layer])
                         for layer, features in seen.spectra.items()}  # fmt: skip
        found[ALL_LAYERS, "spectrum"] = self._score_of_all(seen)
        found |= {(layer, "mahalanobis"): mahalanobis(acts, self.of_acts[layer]) for layer, acts in seen.acts.items()}
        found[penultimate, "confidence"] = doubt(seen.logits)
        return found

    def _adaptive(self, predicted: torch.Tensor) -> _Inputs:
        """Return, of several attacks of an image, the one that fools the network with the least score of all layers."""
        attacks, scores = [], []
        for start in range(self.settings.adaptive_starts):
            draws = np.full(len(self.rows), start + 1)
            found = pgd(self.logits, self.clean, predicted, epsilon=self.settings.epsilon, rows=self.rows, draws=draws,
                        seed=self.seed)  # fmt: skip
            score = self._score_of_all(self._seen(found.images, start=100 + start, keys=self.rows))
            scores.append(np.where(found.is_fooled.cpu().numpy(), score, np.inf))
            attacks.append(_of_attack(found))
        best, places = np.argmin(scores, axis=0), np.arange(len(self.rows))
        pixels = torch.stack([attack.pixels for attack in attacks])[torch.from_numpy(best), torch.from_numpy(places)]
        norm, fooled = (np.stack([part[i] for part in attacks])[best, places] for i in (1, 2))
        return _Inputs(pixels, norm, fooled)

    def _score_of_all(self, seen: _Seen) -> Float64[np.ndarray, "image"]:
        return mahalanobis(np.concatenate(list(seen.spectra.values()), axis=1), self.of_spectra[ALL_LAYERS])

    def _seen(self, pixels: Pixels, *, start: int, keys: Int64[np.ndarray, "image"]) -> _Seen:
        """Run inputs, and noisy copies of them, through the network."""
        layers, n = self.given.anatomy.layers, self.settings.copies
        streams = {row.layer: GroupSpectra(n_copies=n) for row in layers}
        draws = np.arange(n) + n * start
        noise = (white_noise(np.full(n, key), draws, shape=tuple(pixels.shape[1:]), seed=self.seed) for key in keys)
        copies = (image + self.settings.sigma * torch.from_numpy(part).to(pixels)
                  for image, part in zip(pixels, noise, strict=True))  # fmt: skip
        together = max(1, self.network.data.at_once(self.given.tools.batch_size) // n)
        for acts in self._forward(copies, layer_taps(layers), n_batches=-(-len(pixels) // together), together=together):
            for row, part in zip(layers, acts, strict=True):
                streams[row.layer].add(part)
        taps = [Tap(row.layer, pooled(row, "gap")) for row in layers]
        at_once = self.network.data.at_once(self.given.tools.batch_size)
        parts = list(self._forward((image[None] for image in pixels), taps, n_batches=-(-len(pixels) // at_once),
                                   together=at_once))  # fmt: skip
        acts_of = {row.layer: np.concatenate([part[i] for part in parts]) for i, row in enumerate(layers)}
        with torch.no_grad():
            logits = torch.cat([self.logits(part) for part in torch.split(pixels, at_once)]).cpu().numpy()
        return _Seen({layer: spectrum_features(stream.result()) for layer, stream in streams.items()}, acts_of, logits)

    def _forward(
        self, images: Iterator[torch.Tensor], taps: list[Tap], *, n_batches: int, together: int
    ) -> Iterator[list[np.ndarray]]:
        """Yield what taps take of pixels in [0, 1], some parts of several rows each at a time."""
        data, device = self.network.data, self.network.device
        mean, std = (torch.from_numpy(part.copy()).to(device)[:, None, None] for part in (data.mean, data.std))

        def batches() -> Iterator[torch.Tensor]:
            held: list[torch.Tensor] = []
            for part in images:
                held.append((part - mean) / std)
                if len(held) == together:
                    yield torch.cat(held)
                    held = []
            if held:
                yield torch.cat(held)

        return self.network.over(batches(), taps, n_batches=n_batches, desc="monitor",
                                 progress=self.given.tools.progress)  # fmt: skip

    def _pixels(self, rows: Int64[np.ndarray, "image"]) -> Pixels:
        return torch.from_numpy(self.network.data.images[rows] / np.float32(255)).to(self.network.device)

    def _predicted(self, pixels: Pixels) -> torch.Tensor:
        with torch.no_grad():
            return self.logits(pixels).argmax(1)


def _of_attack(attack: Attacked) -> _Inputs:
    return _Inputs(attack.images, _numbers(attack.norm), attack.is_fooled.cpu().numpy())


def _numbers(values: torch.Tensor) -> Float64[np.ndarray, "image"]:
    numbers: np.ndarray = values.cpu().numpy().astype(np.float64)
    return numbers


def _area_row(
    clean: Float64[np.ndarray, "image"],
    scores: Float64[np.ndarray, "image"],
    inputs: _Inputs,
    key: tuple[str, str],
    name: str,
) -> dict[str, object]:
    """Return the row of one detector and kind of input; of attacks those that fool the network count."""
    cases = scores if name == GAUSSIAN else scores[inputs.is_fooled]
    threshold = alarm(clean).threshold if len(clean) >= _LEAST_CLEAN else np.nan
    area = (np.nan, np.nan, np.nan)
    if len(cases) > 1:
        found = roc_auc(np.concatenate([clean, cases]), np.arange(len(clean) + len(cases)) >= len(clean))
        area = (found.value, found.low, found.high)
    is_known = len(cases) > 1 and not np.isnan(threshold)
    return {
        "layer": key[0],
        "detector": key[1],
        "input": name,
        **dict(zip(("roc_auc", "low", "high"), area, strict=True)),
        "threshold_at_5pct": threshold,
        "caught_at_5pct": float((cases > threshold).mean()) if is_known else np.nan,
        "n_inputs": len(cases),
        "n_clean": len(clean),
        "fooled_fraction": float(inputs.is_fooled.mean()),
        "norm": float(inputs.norm.mean()),
    }


def _score_rows(scores: Scores, name: str, rows: Int64[np.ndarray, "image"], is_fooled: np.ndarray) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"layer": layer, "detector": detector, "image": rows, "score": values, "is_fooled": is_fooled})
        for (layer, detector), values in scores.items()
    ]
    return pd.concat(parts, ignore_index=True).assign(input=name)
