"""Loss curves as PNG from logs with one JSON object a line (ours, and mmengine's ``scalars.json``)."""
import json
import os
from typing import Any, Dict, Iterable, List, Mapping, Sequence, Tuple

from mtp import files
from mtp.errors import MTPError


Curve = Tuple[Sequence[float], Sequence[float]]  # steps and values, equally many


def read_lines(path: str) -> List[Dict[str, Any]]:
    """The JSON objects of a log, in order. A last line cut short by a kill is left out.

    Raises:
        MTPError: the file is missing, or a line before the last is not JSON (names file and line).
    """
    try:
        with open(path, encoding='utf-8', errors='replace') as stream:
            lines = stream.read().split('\n')
    except OSError as error:
        raise MTPError(f'cannot read the log {path}: {error.strerror}') from None
    records = []
    for number, line in enumerate(lines, 1):
        try:
            if line.strip():
                records.append(dict(json.loads(line)))
        except (ValueError, TypeError, RecursionError) as error:
            if any(rest.strip() for rest in lines[number:]):
                raise MTPError(f'{path}, line {number}: not a JSON object: {error}',
                               hint=f"remove it: sed -i {number}d '{path}'") from None
    return records


def series(records: Sequence[Mapping[str, Any]], keys: Iterable[str], step: str = 'step') -> Dict[str, Curve]:
    """``{key: (steps, values)}`` of those records that hold both ``step`` and the key.

    A step that stands twice, as after a resume from an older checkpoint, counts with its later value.
    """
    curves: Dict[str, Curve] = {}
    for key in keys:
        points = {record[step]: record[key] for record in records
                  if _is_number(record.get(key)) and _is_number(record.get(step))}
        if points:
            steps, values = zip(*sorted(points.items()))
            curves[key] = (steps, values)
    return curves


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def smooth(values: Sequence[float], share: float = 0.1) -> List[float]:
    """Running mean over a window of ``share`` of the values, as many before as behind each."""
    half = max(1, int(len(values) * share / 2))
    windows = [values[max(0, i - half):i + half + 1] for i in range(len(values))]
    return [sum(window) / len(window) for window in windows]


def plot(lines: Mapping[str, Curve], path: files.PathLike, title: str, ylabel: str = 'loss', log: bool = False,
         xlabel: str = 'step') -> str:
    """Write the curves ``{name: (xs, ys)}`` to the PNG ``path``: each measured value thin, the running mean on top."""
    import matplotlib
    matplotlib.use('Agg')
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4.5), dpi=120)
    for name, (xs, ys) in lines.items():
        faint, = axes.plot(xs, ys, linewidth=0.6, alpha=0.35)
        axes.plot(xs, smooth(ys), color=faint.get_color(), linewidth=1.8, label=name)
    axes.set_title(title)
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    if log:
        axes.set_yscale('log')
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=8, ncol=1 + len(lines) // 8)
    figure.tight_layout()
    with files.atomic_path(path) as temporary:
        figure.savefig(temporary, format='png')
    pyplot.close(figure)
    return os.fspath(path)
