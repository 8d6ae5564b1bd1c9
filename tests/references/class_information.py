"""The correction of a one-way analysis of variance, with its sums of squares written out, concept by concept."""


def epsilon_squared(codes, labels):
    """ε² of every column."""
    shares = []
    for z in codes.T:
        n, classes = len(z), sorted(set(labels.tolist()))
        mean = sum(z) / n
        total = sum((float(x) - mean) ** 2 for x in z)
        within = 0.0
        for c in classes:
            members = [float(x) for x, label in zip(z, labels, strict=True) if label == c]
            within += sum((x - sum(members) / len(members)) ** 2 for x in members)
        shares.append(1 - (within / (n - len(classes))) / (total / (n - 1)))
    return shares
