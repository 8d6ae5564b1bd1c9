"""How images are learned, image by image and checkpoint by checkpoint, and confident learning's score of a label."""

import numpy as np


def self_confidence(logits, labels):
    """Predicted probability of the given label [Northcutt et al. 2021]; a small one is a doubtful label."""
    scores = []
    for row, label in zip(logits.astype(np.float64), labels, strict=True):
        odds = np.exp(row - row.max())
        scores.append(odds[label] / odds.sum())
    return np.array(scores)


def memorisation(loss, correct, epochs):
    """(cumulative loss, forgetting events, first epoch from which on it stays right or None) of every image."""
    rows = []
    for image in range(loss.shape[1]):
        total, forgotten, learned, was_right = 0.0, 0, None, False
        for step, epoch in enumerate(epochs):
            total += float(loss[step, image])
            is_right = bool(correct[step, image])
            if was_right and not is_right:
                forgotten, learned = forgotten + 1, None
            if is_right and learned is None:
                learned = epoch
            if not is_right:
                learned = None
            was_right = is_right
        rows.append((total, forgotten, learned))
    return rows
