"""What a refusal of the command line must look like."""

import re

JARGON = ("Parser key", "Union", "ubtypes", "<class", "typing.", "collections.abc", "numpy", "Namespace(", "NoneType",
          "Traceback", "subclass spec", "class_path '", 'File "', "not in bounds")  # fmt: skip


def sentence(text):
    """The one line between the two of the frame, which says where, what must be, what was found."""
    (line,) = [line for line in text.splitlines() if line.startswith("sparsefront: error: ")]
    line = line.removeprefix("sparsefront: error: ")
    assert not [word for word in JARGON if word in line], line
    assert re.search(r"\bmust\b|is no setting|needs|reads|cannot", line), line
    assert re.search(r"\bfound\b|did you mean|is no setting", line), line
    assert len(text[text.index("sparsefront: error: ") :].strip().splitlines()) == 2, text
    return line
