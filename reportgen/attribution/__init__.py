"""Which inputs a prediction rests on: gradients, LIME, and how far to trust each."""
