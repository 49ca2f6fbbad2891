# SPDX-License-Identifier: Apache-2.0
"""Reads the manual's sources: its commands, tables and literals."""

import pathlib
import re
import shlex
import textwrap

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCE = ROOT / 'doc' / 'source'

BLOCK = re.compile(r'^( *)\.\. code-block:: (\w+)\n((?:\1 +.*\n|\n)+)', re.M)
LITERAL = re.compile(r'``(.+?)``', re.S)
ASSIGNMENT = re.compile(r'\w+=\S*')
# What the shell would put in place of $(...), which shlex cannot.
SUBSTITUTION = re.compile(r'\$\([^()]*(?:\([^()]*\)[^()]*)*\)')


def pages():
    """Return every source page, sorted."""
    return sorted(SOURCE.rglob('*.rst'))


def name(page):
    return str(page.relative_to(SOURCE))


def read(page):
    return (SOURCE / page).read_text(encoding='utf-8')


def blocks(text, language):
    """Return the code blocks of one language, unindented."""
    return [textwrap.dedent(body).strip('\n')
            for _, found, body in BLOCK.findall(text) if found == language]


def command_lines(text):
    """Return what the reader is told to type, without the prompt."""
    typed = [line[2:] for block in blocks(text, 'console')
             for line in block.split('\n') if line.startswith('$ ')]
    quoted = [' '.join(literal.split()) for literal in LITERAL.findall(text)]
    return typed + [line for line in quoted if ' ' in line]


def commands(text):
    """Return each simple command of a text as a list of words."""
    found = []
    for line in command_lines(text):
        inner = re.findall(r'\$\((.*)\)', line)
        for part in [SUBSTITUTION.sub('SUBSTITUTED', line)] + inner:
            found += split(part)
    return found


def split(line):
    """Return the simple commands of a shell line."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars='|&;<>')
    lexer.whitespace_split = True
    try:
        words = list(lexer)
    except ValueError:
        return []
    result, current = [], []
    for word in words + [';']:
        if re.fullmatch(r'[|&;<>]+', word):
            if current:
                result.append(current)
            current = []
        elif current or not ASSIGNMENT.fullmatch(word):
            current.append(word)
    return result


def of_program(program):
    """Return (page, words after the program) for each use of a program."""
    return [(name(page), words[1:]) for page in pages()
            for words in commands(page.read_text(encoding='utf-8'))
            if pathlib.PurePath(words[0]).name == program]


def list_tables(text):
    """Return each list-table as a list of rows of cell texts."""
    tables = []
    for table in re.split(r'^ *\.\. list-table::.*$', text, flags=re.M)[1:]:
        rows = []
        for line in table.split('\n'):
            if not line.strip():
                continue
            if not rows and re.match(r' +:[\w-]+:', line):
                continue
            cell = re.match(r' +(\* )?(?: *)- ?(.*)$', line)
            if cell and (cell.group(1) or rows):
                if cell.group(1):
                    rows.append([])
                rows[-1].append(cell.group(2).strip())
            elif line.startswith('     ') and rows:
                rows[-1][-1] += ' ' + line.strip()
            else:
                break
        tables.append(rows)
    return tables


def tables_with_header(text, *header):
    """Return the rows below the given header, of all such tables."""
    rows = []
    for table in list_tables(text):
        if table and table[0][:len(header)] == list(header):
            rows += table[1:]
    return rows


def literal(cell):
    """Return the text of a cell that is one literal, else the cell."""
    match = re.fullmatch(r'``(.*)``', cell)
    return match.group(1) if match else cell
