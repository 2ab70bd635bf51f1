"""Judges the snippets in snippets.txt with the compiler of CPython 3.12.

    python3.12 tests/suite/python/judge.py            writes snippets.jsonl
    python3.12 tests/suite/python/judge.py --check    exits 1 if snippets.jsonl is not up to date

A line `=== name` starts a snippet, which goes on to the next such line, byte for byte. After
`=== name (escaped)` there is one JSON string instead, for code with characters that do not show.
"""

import json
import re
import sys
import warnings
from pathlib import Path

HERE = Path(__file__).resolve().parent
SNIPPETS = HERE / "snippets.txt"
VERDICTS = HERE / "snippets.jsonl"
HEAD = re.compile(r"^=== (.*)\n", re.MULTILINE)
NAME = re.compile(r"([a-z][a-z0-9_]*)( \(escaped\))?")


def read(text):
    """The code of each snippet by its name."""
    before, *parts = HEAD.split(text)
    if before:
        sys.exit("snippets.txt: the first line must be a head")
    snippets = {}
    for head, code in zip(parts[::2], parts[1::2]):
        match = NAME.fullmatch(head)
        if match is None:
            sys.exit(f"snippets.txt: not a head: === {head}")
        name, escaped = match.groups()
        if name in snippets:
            sys.exit(f"snippets.txt: two snippets have the name {name}")
        snippets[name] = json.loads(code) if escaped else code
    return snippets


def judge(name, code):
    """What the compiler says about one snippet."""
    verdict = {"name": name, "code": code, "accepted": True, "error": None, "line": None}
    try:
        compile(code, "<definition>", "exec", dont_inherit=True)
    except SyntaxError as error:
        verdict.update(accepted=False, error=error.msg, line=error.lineno)
    return verdict


def main():
    if sys.version_info[:2] != (3, 12):
        sys.exit("the snippets are judged by CPython 3.12, this is Python %d.%d" % sys.version_info[:2])
    arguments = sys.argv[1:]
    if arguments not in ([], ["--check"]):
        sys.exit("usage: judge.py [--check]")
    warnings.simplefilter("ignore")
    snippets = read(SNIPPETS.read_bytes().decode())
    lines = (json.dumps(judge(name, snippets[name])) + "\n" for name in sorted(snippets))
    verdicts = "".join(lines).encode()
    if not arguments:
        VERDICTS.write_bytes(verdicts)
    elif not VERDICTS.exists() or VERDICTS.read_bytes() != verdicts:
        sys.exit("snippets.jsonl is not up to date: run judge.py without --check")


if __name__ == "__main__":
    main()
