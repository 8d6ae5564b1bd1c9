"""Class selectivity and mutual information with their sums written out, unit by unit."""

from math import log2


def selectivity(acts, labels):
    """(index, class) of every unit."""
    results = []
    for unit in acts.T:
        means = {}
        for c in sorted(set(labels.tolist())):
            members = [float(a) for a, label in zip(unit, labels, strict=True) if label == c]
            means[c] = sum(members) / len(members)
        best = max(means, key=means.get)
        others = [mean for c, mean in means.items() if c != best]
        rest = sum(others) / len(others)
        results.append(((means[best] - rest) / (means[best] + rest), best))
    return results


def mutual_information(unit, labels, edges):
    """Bits between the bin of each value (above an edge, up to the next one) and the class."""
    bins = [sum(a > edge for edge in edges) for a in unit]
    n, bits = len(unit), 0.0
    for b in set(bins):
        for c in set(labels.tolist()):
            both = sum(x == b and y == c for x, y in zip(bins, labels, strict=True)) / n
            if both:
                bits += both * log2(both / ((bins.count(b) / n) * (labels.tolist().count(c) / n)))
    return bits
