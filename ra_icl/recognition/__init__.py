"""From a clip to the probability of each class, by a model trained on all subjects, and the model's card.

May import datasets, flow, model, faces, training, evaluation and planning.
"""
