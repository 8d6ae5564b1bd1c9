"""What a dictionary keeps of the predictions and the predicted logits, image by image, in float64."""

import numpy as np


def kept(acts, codes, atoms, head, bias, *, outputs):
    """Shares of predictions that are kept, among all outputs and among some, and the parts of the predicted logit."""
    acts, codes, atoms = (np.asarray(a, np.float64) for a in (acts, codes, atoms))
    same, same_of_classes, by_concepts, by_rest = [], [], [], []
    for x, z in zip(acts, codes, strict=True):
        rebuilt = sum(code * atom for code, atom in zip(z, atoms, strict=True))
        logits, others = x @ head + bias, rebuilt @ head + bias
        predicted = int(np.argmax(logits))
        same.append(predicted == np.argmax(others))
        same_of_classes.append(max(outputs, key=lambda o: logits[o]) == max(outputs, key=lambda o: others[o]))
        by_concepts.append(sum(rebuilt * head[:, predicted]))
        by_rest.append(sum(x * head[:, predicted]) - by_concepts[-1])
    return {
        "predictions_kept_fraction": np.mean(same),
        "predictions_kept_classes_fraction": np.mean(same_of_classes),
        "logit_by_concepts": np.mean(by_concepts),
        "logit_by_rest": np.mean(by_rest),
        "logit_carried_fraction": np.sum(by_concepts) / (np.sum(by_concepts) + np.sum(by_rest)),
    }
