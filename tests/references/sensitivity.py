"""Sensitivity with its sums written out, one concept and one image after the other."""


def sensitivity(codes, variance):
    """(relative, as printed) of every concept; codes (image, draw, concept)."""
    n_images, n_draws, n_concepts = codes.shape
    relative, printed = [], []
    for i in range(n_concepts):
        total = 0.0
        for image in range(n_images):
            mean = sum(float(codes[image, draw, i]) for draw in range(n_draws)) / n_draws
            squares = sum((float(codes[image, draw, i]) - mean) ** 2 for draw in range(n_draws))
            total += squares / (n_draws - 1)
        printed.append(total / n_images)
        relative.append(printed[-1] / float(variance[i]))
    return relative, printed
