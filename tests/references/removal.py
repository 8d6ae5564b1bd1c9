"""Importance by removal from the definition: activations without a concept's part, through the head, one by one."""

import numpy as np
from scipy.special import logsumexp


def removal(acts, codes, atoms, head, bias, right):
    """Falls of the predicted logit and rises of the cross-entropy, (image, concept)."""
    falls, rises = np.zeros(codes.shape), np.zeros(codes.shape)
    for image, (f, z) in enumerate(zip(acts, codes, strict=True)):
        y = f @ head + bias
        predicted = int(np.argmax(y))
        loss = logsumexp(y) - y[right[image]]
        for concept in range(len(z)):
            without = (f - z[concept] * atoms[concept]) @ head + bias
            falls[image, concept] = y[predicted] - without[predicted]
            rises[image, concept] = logsumexp(without) - without[right[image]] - loss
    return falls, rises
