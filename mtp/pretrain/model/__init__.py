"""The encoder, the decoders and their last layers. It knows the batches that it eats, and nothing of the engine."""
