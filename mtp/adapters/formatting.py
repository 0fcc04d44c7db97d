"""mmengine 0.8.4 and mmcv 1.6.1 print a config with ``yapf`` and an argument that yapf 0.40.2 has dropped.

They do so whenever they save a checkpoint. With an older yapf this changes nothing.
"""
import inspect


def mend(module):
    """Let ``module``, where a toolbox keeps its ``FormatCode``, pass the argument in vain."""
    original = module.FormatCode
    if 'verify' in inspect.signature(original).parameters:
        return

    def format_code(text, verify=True, **options):
        return original(text, **options)

    module.FormatCode = format_code
