"""Support curves: for every share the codes are really set to zero and everything is multiplied again."""

import numpy as np


def curve(codes, atoms, head, bias, order, shares, predicted, labels):
    """[(n kept, accuracy, relative accuracy, predictions kept)] of one order of removal."""
    whole = np.mean(np.argmax(codes @ atoms @ head + bias, axis=1) == labels)
    rows = []
    for share in shares:
        n_kept = round(share * len(order))
        left = codes.copy()
        for concept in order[: len(order) - n_kept]:
            left[:, concept] = 0
        says = np.argmax((left @ atoms) @ head + bias, axis=1)
        accuracy = np.mean(says == labels)
        rows.append((n_kept, accuracy, accuracy / whole, np.mean(says == predicted)))
    return np.array(rows)
