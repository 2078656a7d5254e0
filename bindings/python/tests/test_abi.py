# SPDX-License-Identifier: BSD-3-Clause
"""_abi.py against the headers, the export list and the C compiler."""
import ctypes
import os
import re
import shutil
import subprocess
import sys

import pytest
from conftest import HERE, ROOT

import hnas
from hnas import _abi, _errors
from hnas._library import lib

GENERATE = os.path.join(HERE, "..", "generate.py")
SIMPLE = {
    ctypes.c_int32: "int32_t", ctypes.c_uint32: "uint32_t",
    ctypes.c_int64: "int64_t", ctypes.c_uint64: "uint64_t",
    ctypes.c_uint8: "uint8_t", ctypes.c_float: "float",
    ctypes.c_double: "double", ctypes.c_char: "char",
    ctypes.c_char_p: "char *", ctypes.c_void_p: "void *", None: "void",
}


def exported():
    with open(os.path.join(ROOT, "lib", "libhnas.map"), encoding="utf-8") as f:
        return set(re.findall(r"(?m)^\s*(hnas_\w+);", f.read()))


def structs():
    return {name: c for name, c in vars(_abi).items()
            if isinstance(c, type) and issubclass(c, ctypes.Structure)
            and name.startswith("hnas_") and hasattr(c, "_fields_")}


def constants():
    return {name: v for name, v in vars(_abi).items()
            if name.startswith("HNAS_") and isinstance(v, int)}


def c_type(kind):
    """What the C compiler calls a ctypes type."""
    if kind in SIMPLE:
        return SIMPLE[kind]
    if hasattr(kind, "contents"):
        inner = c_type(kind._type_)
        return inner + ("*" if inner.endswith("*") else " *")
    for name, value in vars(_abi).items():
        if value is kind:
            return name
    raise AssertionError(f"no C name of {kind}")


def compile_c(text, folder, run):
    source, program = folder / "check.c", folder / "check"
    source.write_text(text)
    compiler = os.environ.get("CC", "cc").split()
    if not shutil.which(compiler[0]):
        pytest.skip("no C compiler")
    how = ["-o", str(program)] if run else ["-fsyntax-only"]
    subprocess.run([*compiler, "-std=gnu11", "-Wall", "-Werror", *how, "-I",
                    os.path.join(ROOT, "include"), str(source)], check=True)
    return subprocess.run([str(program)], check=True, text=True,
                          stdout=subprocess.PIPE).stdout if run else ""


def test_generated_file_is_what_the_headers_give():
    r = subprocess.run([sys.executable, GENERATE, "--check"], text=True,
                       stdout=subprocess.PIPE)
    assert r.returncode == 0, r.stdout


def test_every_exported_function_has_its_types():
    assert set(_abi.FUNCTIONS) == exported()
    for name in exported():
        function = getattr(lib, name)
        result, arguments = _abi.FUNCTIONS[name]
        assert function.argtypes == arguments
        assert function.restype == result


def test_prototypes_are_those_of_the_compiler(tmp_path):
    """A pointer of the ctypes' type takes each function; const aside."""
    lines = ["#include <stddef.h>", "#include <stdint.h>", "#define const",
             "#include <hnas/hnas.h>"]
    for name, (result, arguments) in _abi.FUNCTIONS.items():
        types = ", ".join(c_type(a) for a in arguments) or "void"
        lines.append(f"{c_type(result)} (*check_{name})({types}) = {name};")
    compile_c("\n".join(lines) + "\n", tmp_path, run=False)


def test_a_wrong_prototype_would_be_seen(tmp_path):
    text = ("#include <hnas/hnas.h>\n"
            "int32_t (*check)(hnas_tape **, hnas_tensor *) = "
            "hnas_tape_create;\n")
    with pytest.raises(subprocess.CalledProcessError):
        compile_c(text, tmp_path, run=False)


def test_structs_and_constants_are_those_of_the_compiler(tmp_path):
    lines, want = [], []
    for name, c in structs().items():
        lines.append(f'printf("%zu\\n", sizeof({name}));')
        want.append(ctypes.sizeof(c))
        for field in c._fields_:
            at = getattr(c, field[0])
            c_name = field[0].rstrip("_")
            lines.append(f'printf("%zu\\n", offsetof({name}, {c_name}));')
            lines.append(f'printf("%zu\\n", sizeof((({name} *)0)->{c_name}));')
            want += [at.offset, at.size]
    for name, value in constants().items():
        lines.append(f'printf("%lld\\n", (long long){name});')
        want.append(value)
    out = compile_c("#include <stdio.h>\n#include <hnas/hnas.h>\nint main(void)"
                    "\n{\n" + "\n".join(lines) + "\nreturn 0;\n}\n", tmp_path,
                    run=True)
    assert [int(n) for n in out.split()] == want
    assert len(want) > 300


def test_all_structs_and_constants_of_the_headers_are_there():
    folder = os.path.join(ROOT, "include", "hnas")
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), encoding="utf-8") as f:
            text = f.read()
        for s in re.findall(r"(?m)^\} (hnas_\w+);", text):
            assert s in structs()
        for c in re.findall(r"(?m)^    (HNAS_\w+) = ", text):
            assert c in constants()


def test_every_failure_has_its_exception():
    statuses = {n: v for n, v in constants().items()
                if n.startswith("HNAS_E_")}
    assert len(statuses) > 15
    for name, status in statuses.items():
        kind = _errors.BY_STATUS[status]
        e = _errors.error(status, "text")
        assert type(e) is kind and e.status == status and str(e) == "text"
        assert e.name == name
        assert getattr(hnas, kind.__name__) is kind


def test_errors_are_also_the_exceptions_python_has_for_them():
    for kind, python in ((hnas.ShapeError, ValueError),
                         (hnas.ElementTypeError, TypeError),
                         (hnas.UnknownNameError, LookupError),
                         (hnas.OutOfMemoryError, MemoryError),
                         (hnas.FileError, OSError),
                         (hnas.TruncatedError, EOFError),
                         (hnas.UnsupportedError, NotImplementedError)):
        assert issubclass(kind, python) and issubclass(kind, hnas.Error)
