"""Time to decode, epoch by epoch."""


def decode_time(v_information):
    n_epochs, n_concepts = v_information.shape
    return [1 - sum(v_information[e, i] for e in range(n_epochs)) / n_epochs for i in range(n_concepts)]


def decode_time_normalised(v_information):
    times = []
    for concept in v_information.T:
        end = float(concept[-1])
        if not end > 0:
            times.append(float("nan"))
            continue
        times.append(1 - sum(min(1.0, float(value) / end) for value in concept) / len(concept))
    return times


def first_epoch(v_information, epochs):
    first = []
    for concept in v_information.T:
        at_reference = concept[-1]
        reached = [epoch for epoch, value in zip(epochs, concept, strict=True) if value >= at_reference / 2]
        first.append(reached[0] if at_reference > 0 else -1)
    return first
