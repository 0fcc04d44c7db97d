"""From the files of SAMRS to the batches of a step. It knows neither the model nor the engine."""
