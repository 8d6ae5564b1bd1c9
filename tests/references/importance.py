"""Importance by gradient x input (autograd) and by occlusion, image by image."""

import torch


def gradient_times_input(codes, atoms, head, predicted):
    """(image, concept): z_i · dy_c/dz_i of y = z D W."""
    rows = []
    for code, c in zip(codes, predicted, strict=True):
        z = code.clone().requires_grad_()
        (z @ atoms @ head)[int(c)].backward()
        rows.append((z * z.grad).detach())
    return torch.stack(rows)


def occlusion(codes, atoms, head, predicted):
    """(image, concept): how far the predicted class's logit falls when one code is set to 0."""
    effects = torch.zeros_like(codes)
    for image, c in enumerate(predicted):
        for concept in range(codes.shape[1]):
            without = codes[image].clone()
            without[concept] = 0
            effects[image, concept] = ((codes[image] - without) @ atoms @ head)[int(c)]
    return effects
