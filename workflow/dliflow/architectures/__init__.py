"""PyTorch architectures, one file each; its name is the `source.architecture` of a model's entry.

Each has `build() -> torch.nn.Module`, with random weights.
"""
