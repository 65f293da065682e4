"""Contrastive training: mixture, batches, encoder, loss, cached gradients, trainer."""
