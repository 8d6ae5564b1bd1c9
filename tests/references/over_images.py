"""The share of variance between groups, from its definition."""


def explained(k, groups):
    """ε²: one minus the mean square within groups over that of all."""
    names = set(groups)
    within = sum(((k[groups == name] - k[groups == name].mean()) ** 2).sum() for name in names)
    return 1 - within / (len(k) - len(names)) / k.var(ddof=1)
