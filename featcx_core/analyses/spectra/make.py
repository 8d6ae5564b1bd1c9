"""Noise spectra over training: means by class of the groups' spectra, and their change."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from jaxtyping import Float32, Int64

from featcx_core.analyses.checkpoint import CHECKPOINT
from featcx_core.analyses.noise_groups import NOISE_GROUPS
from featcx_core.artefacts.given import Given
from featcx_core.findings.passes import training_progress
from featcx_core.measures.spectra import ALL_CLASSES, Spectra, mean_by_class, relative_change
from featcx_core.measures.spectra_means import left_out_means

_GROUPED_BY = ["layer", "noise", "sigma", "split"]
_SHARES = ("first", "second", "rest")


def spectra_rows(given: Given) -> pd.DataFrame:
    """Return the mean spectra of every epoch, layer, noise and split, by class and over classes."""
    parts = [part for epoch in given.epochs for part in _of_epoch(given, epoch)]
    return _with_change(pd.concat(parts, ignore_index=True))


def _of_epoch(given: Given, epoch: int) -> Iterator[pd.DataFrame]:
    """Yield the rows of an epoch, a frame for each layer, noise and split; layers in forward order."""
    rows = given.rows(NOISE_GROUPS, epoch=epoch).sort_values("image", kind="stable")
    losses, depth = given.rows(CHECKPOINT, epoch=epoch).iloc[0], given.anatomy.names.index
    for split, of_split in rows.groupby("split", sort=False):
        grouped = of_split.groupby(["layer", "noise", "sigma"], sort=False)
        parts: dict[tuple[str, str, float], pd.DataFrame] = {_key(*key): part for key, part in grouped}
        keys = sorted(parts, key=lambda key: (depth(key[0]), *key[1:]))
        classes = parts[keys[0]]["class_id"].to_numpy()
        left_out = _left_out([parts[key] for key in keys], classes, groups=given.study.probe.groups)
        for number, key in enumerate(keys):
            layer, noise, sigma = key
            frame = _class_means(parts[key], classes).assign(layer=layer, noise=noise, sigma=sigma)
            for name in _SHARES:
                cell = left_out[name][number]
                frame[f"jackknife_{name}"] = [cell if c == ALL_CLASSES else None for c in frame["class_id"]]
            yield frame.assign(split=split, epoch=epoch, passes=losses["passes"], loss=losses[f"{split}_loss"])


def _key(layer: object, noise: object, sigma: object) -> tuple[str, str, float]:
    return str(layer), str(noise), float(str(sigma))


def _class_means(rows: pd.DataFrame, classes: Int64[np.ndarray, "image"]) -> pd.DataFrame:
    """Return the means of one layer, noise and split: of every class, and over classes."""
    means = mean_by_class(Spectra(*(rows[name].to_numpy(dtype=np.float64) for name in Spectra._fields)), classes)
    norms = np.append([rows["norm"].to_numpy()[classes == c].mean() for c in means.class_id[:-1]], rows["norm"].mean())
    values = means.mean._asdict()
    return pd.DataFrame({"class_id": means.class_id, **values, "n_groups": means.n_groups, "norm": norms})


def _left_out(
    parts: list[pd.DataFrame], classes: Int64[np.ndarray, "image"], *, groups: int
) -> dict[str, Float32[np.ndarray, "part group"]]:
    """Return the mean over classes of each share without each group of images, for every part."""
    groups = min(groups, len(classes))
    values = {name: np.stack([part[name].to_numpy(dtype=np.float64) for part in parts]) for name in _SHARES}
    return {name: left_out_means(each, classes, groups=groups).astype(np.float32) for name, each in values.items()}


def _with_change(rows: pd.DataFrame) -> pd.DataFrame:
    """Add the relative rate of change of s1 since the checkpoint before, by passes, or by numbers if none are known."""
    keys = [*_GROUPED_BY, "class_id"]
    wide = rows.pivot_table(index="epoch", columns=keys, values="s1", dropna=False, sort=False).sort_index()
    progress = training_progress(rows[["epoch", "passes"]].drop_duplicates())
    change = relative_change(wide.to_numpy(dtype=np.float64), passes=[progress.places[epoch] for epoch in wide.index])
    long = wide.columns.repeat(len(wide)).to_frame(index=False)
    long = long.assign(epoch=np.tile(wide.index, len(wide.columns)), s1_change=change.T.ravel())
    return rows.merge(long, on=[*keys, "epoch"], how="left")
