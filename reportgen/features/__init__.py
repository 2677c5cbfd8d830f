"""What a network has learned to look for: filters, activations, dead units, embeddings."""
