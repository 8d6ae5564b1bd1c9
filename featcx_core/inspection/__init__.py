"""A study for a network, images and checkpoints that were not seen before: what is found, what is proposed, what it
will cost.
"""
