#!/usr/bin/env python3
"""tests/lint/lint.py - what reviewers should not have to look for. One check a call: lint.py CHECK.

Run from anywhere; looks at the tree it lies in. Prints one line a finding and exits 1 on any.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
CODE = ["base", "proto", "ipc", "drivers", "workers", "supervisor", "init", "igvm", "cli", "tools", "tests"]

# A folder includes itself and what is named here: dependencies point down only.
LAYERS = {
    "base": [],
    "proto": ["base"],
    "ipc": ["base", "proto"],
    "drivers": ["base", "proto", "ipc"],
    "workers": ["base", "proto", "ipc", "drivers"],
    "supervisor": ["base", "proto", "ipc", "drivers"],
    "init": ["base", "proto", "ipc"],
    "igvm": ["base"],
    "cli": ["base", "proto", "ipc"],
    "tools": ["base"],
}
FUNCTION_LINES = 100
FILE_LINES = 800
FORBIDDEN = {
    r"\b(strcpy|strcat|sprintf|vsprintf|gets|alloca|system|popen|mktemp|tmpnam)\s*\(": "unbounded, or runs a shell",
    r"\bassert\s*\(\s*0\s*\)": "say what must hold",
    r"\b(atoi|atol|strtok)\s*\(": "cannot tell an error",
}
GENERATED = re.compile(r"\.pb-c\.h$")


def sources(folders, suffixes=(".c", ".h")):
    for folder in folders:
        for path in sorted((TOP / folder).rglob("*")):
            if path.suffix in suffixes and path.is_file():
                yield path


def name(path):
    return path.relative_to(TOP).as_posix()


def includes(path):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        found = re.match(r'\s*#include "([^"]+)"', line)
        if found and not GENERATED.search(found.group(1)):
            yield number, found.group(1)


def check_layers():
    for path in sources(LAYERS):
        folder = name(path).split("/")[0]
        for number, target in includes(path):
            where = target.split("/")
            if len(where) < 2:
                yield f"{name(path)}:{number}: include {target} from the top: folder/name.h"
            elif where[0] != folder and where[0] not in LAYERS[folder]:
                yield f"{name(path)}:{number}: {folder} must not include {where[0]}"
            elif folder == "workers" and where[0] == "workers" and len(where) == 3:
                if name(path).split("/")[1] != where[1]:
                    yield f"{name(path)}:{number}: a worker includes no other worker's headers"


def functions(path):
    """Yield (line, length) of each function body: from '{' to '}' in the first column."""
    start = None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line == "{":
            start = number
        elif line.startswith("}") and start is not None:
            yield start, number - start - 1
            start = None


def check_length():
    for path in sources(CODE):
        lines = len(path.read_text().splitlines())
        if lines > FILE_LINES:
            yield f"{name(path)}: {lines} lines, more than {FILE_LINES}"
        for number, length in functions(path):
            if length > FUNCTION_LINES:
                yield f"{name(path)}:{number}: a function of {length} lines, more than {FUNCTION_LINES}"


def check_forbidden():
    for path in sources(CODE):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            for pattern, why in FORBIDDEN.items():
                if re.search(pattern, line):
                    yield f"{name(path)}:{number}: {line.strip()}: {why}"


def check_headers():
    """Each header begins with its path and compiles alone; include guards are #pragma once."""
    build = pathlib.Path(sys.argv[2])
    for path in sources(CODE, (".h",)):
        text = path.read_text()
        if f"{name(path)} - " not in text[:200]:
            yield f"{name(path)}: the first line says: path - what it is for"
        if "#pragma once" not in text:
            yield f"{name(path)}: no #pragma once"
        with tempfile.NamedTemporaryFile("w", suffix=".c") as unit:
            unit.write(f'#include "{name(path)}"\n')
            unit.flush()
            command = ["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-fsyntax-only", "-Wall", "-Werror", f"-I{TOP}",
                       f"-I{build}", f"-I{build}/proto", unit.name]
            result = subprocess.run(command, capture_output=True, text=True)
            if result.returncode != 0:
                yield f"{name(path)}: does not compile alone: {result.stderr.splitlines()[0]}"


def check_format():
    command = ["clang-format", "--style=file", "--dry-run", "-Werror", *map(str, sources(CODE))]
    said = subprocess.run(command, capture_output=True, text=True, cwd=TOP).stderr
    for path in sorted(set(re.findall(r"^([^:\n]+):\d+:\d+: error:", said, re.M))):
        yield f"{name(pathlib.Path(path))}: run clang-format -i on it"


def check_workers():
    build = (TOP / "workers/meson.build").read_text()
    for main in sorted((TOP / "workers").glob("*/main.c")):
        worker = main.parent.name
        for wanted in ("profile.c", "README.md"):
            if not (main.parent / wanted).exists():
                yield f"{name(main.parent)}: no {wanted}"
        if f"'{worker}':" not in build:
            yield f"{name(main.parent)}: not in workers/meson.build"
        device = re.search(r"\.(access|loop) = ", main.read_text())
        killers = (path.read_text() for path in (TOP / "tests/fault").glob("sim_*.c"))
        if device and not any(re.search(rf"kill\w*\([^;]*PROCESS_{worker.upper()}\b", text) for text in killers):
            yield f"{name(main.parent)}: no tests/fault/sim_*.c that kills it"


def check_tests():
    """Every test program is built: a file that no list names would never run."""
    for folder in ("unit", "fuzz", "fault", "integration", "bench"):
        build = (TOP / "tests" / folder / "meson.build").read_text()
        for path in sorted((TOP / "tests" / folder).glob("*.c")):
            found = re.match(r"(test|fuzz)_(\w+)$", path.stem)
            if not re.search(rf"'{found.group(2) if found else path.stem}\b", build):
                yield f"{name(path)}: not in tests/{folder}/meson.build"


def check_globals():
    """No writable file-level variable outside tests: state is an argument."""
    pattern = re.compile(r"^(?:static )?(?!const|typedef|extern|struct \w+ \{|enum|union|return|_Static_assert)"
                         r"(?:_Atomic )?[a-z_][\w ]*[ *]\w+(?:\[[^\]]*\])*(?: = .*)?;$")
    for path in sources([f for f in CODE if f != "tests"], (".c",)):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if pattern.match(line) and "const" not in line and "(" not in line.split("=")[0]:
                yield f"{name(path)}:{number}: {line}: a writable variable at file level"


def main():
    check = globals().get(f"check_{sys.argv[1]}") if len(sys.argv) > 1 else None
    if check is None:
        sys.exit("usage: lint.py layers|length|forbidden|headers BUILD|format|workers|tests|globals")
    findings = list(check())
    for finding in findings:
        print(finding)
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
