"""What was found in a folder, for people."""
from typing import List

from mtp.own import examine
from mtp.own.examine import Plan


def lines(plan: Plan) -> List[str]:
    """Layout, classes in their order with counts, sizes, split, and what is odd."""
    found = [f'{plan.folder.root}: {plan.layout.title}']
    found.append(f'{len(plan.classes.names)} classes, in the order of {plan.classes.said_by}:')
    parts = [part for part in ('train', 'val', 'test') if plan.count(part)]
    counts = {part: examine.objects(plan.records, part) for part in parts}
    for number, name in enumerate(plan.classes.names):
        told = [f'{counts[part][name]:>7} {part}' for part in parts] if any(map(len, counts.values())) else []
        found.append('  {:>3}  {:<24}{}'.format(number, name, ' '.join(told)))
    found.append('images: {} ({})'.format(
        ', '.join(f'{plan.count(part)} {part}' for part in parts), plan.split))
    found.append('sizes: ' + sizes(plan))
    return found + ['note: ' + note for note in plan.notes]


def sizes(plan: Plan) -> str:
    """``800 x 600 to 4000 x 3000 pixels``."""
    pixels = sorted({plan.size[record.image] for record in plan.records}, key=lambda each: each[0] * each[1])
    told = ['{} x {}'.format(*each) for each in (pixels[0], pixels[-1])]
    return ' to '.join(told if len(pixels) > 1 else told[:1]) + ' pixels'
