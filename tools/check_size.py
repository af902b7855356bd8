"""Hold modules under 600 lines and function bodies to 60: `python tools/check_size.py FILE ...`.

A docstring is not part of the body: documentation costs nothing here.
"""

import ast
import sys
from pathlib import Path

MODULE_LINES = 600
BODY_LINES = 60


def too_long(path):
    """Yield one line of text for each thing in the file that is over its limit."""
    source = Path(path).read_text(encoding="utf-8")
    n_lines = len(source.splitlines())
    if n_lines >= MODULE_LINES:
        yield f"{path}: {n_lines} lines, must stay under {MODULE_LINES}: split the module"
    for node in ast.walk(ast.parse(source, filename=str(path))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            n_lines = _body_lines(node)
            if n_lines > BODY_LINES:
                place = f"{path}:{node.lineno}: {node.name}"
                yield f"{place} has {n_lines} lines, at most {BODY_LINES}: name its parts"


def _body_lines(function):
    statements = function.body[ast.get_docstring(function) is not None :]
    return statements[-1].end_lineno - statements[0].lineno + 1 if statements else 0


def main(paths):
    complaints = [complaint for path in paths for complaint in too_long(path)]
    print("\n".join(complaints), end="\n" if complaints else "")
    return bool(complaints)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
