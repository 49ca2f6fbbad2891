# SPDX-License-Identifier: Apache-2.0
"""Tables with borders, as StarlingX's client prints them."""

import json


def render(columns, rows):
    """A table; a cell may hold several lines."""
    cells = [[str(cell).split('\n') for cell in row] for row in rows]
    widths = [max([len(column)] + [len(line) for row in cells
                                   for line in row[place]])
              for place, column in enumerate(columns)]
    border = '+%s+' % '+'.join('-' * (width + 2) for width in widths)
    lines = [border, _line(columns, widths), border]
    for row in cells:
        for number in range(max(len(cell) for cell in row)):
            lines.append(_line(
                [cell[number] if number < len(cell) else ''
                 for cell in row], widths))
    return '\n'.join(lines + [border])


def _line(texts, widths):
    return '| %s |' % ' | '.join(
        text.ljust(width) for text, width in zip(texts, widths))


def show(pairs, as_json):
    """Property and Value, or one JSON object."""
    if as_json:
        return json.dumps(dict(pairs), indent=2, sort_keys=True)
    return render(('Property', 'Value'), pairs)


def listing(columns, rows, as_json):
    """A table, or a JSON list of objects keyed by column."""
    if as_json:
        return json.dumps([dict(zip(columns, row)) for row in rows],
                          indent=2, sort_keys=True)
    return render(columns, rows)
