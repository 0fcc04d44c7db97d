"""What runs the model on the data: processes, loop, hooks, checkpoints, validation.

Nothing is imported here: ``stop`` has to listen before anything heavy is.
"""
