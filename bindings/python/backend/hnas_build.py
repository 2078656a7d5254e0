# SPDX-License-Identifier: BSD-3-Clause
"""Build the wheel of the package: pure Python and, where a build tree or
HNAS_LIBRARY has it, the library beside it.  Needs nothing but Python."""
import base64
import glob
import hashlib
import io
import os
import re
import sysconfig
import tarfile
import zipfile

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.normpath(os.path.join(HERE, "..", ".."))
REFUSED = b"__asan_init"  # a sanitizer build serves no ordinary process


def _constant(name):
    with open(os.path.join(HERE, "hnas", "_abi.py"), encoding="utf-8") as f:
        return int(re.search(rf"(?m)^{name} = (\d+)$", f.read()).group(1))


def _version():
    return ".".join(str(_constant("HNAS_VERSION_" + part))
                    for part in ("MAJOR", "MINOR", "PATCH"))


def _read(path):
    with open(path, "rb") as f:
        return f.read()


def _library():
    """The bytes of the library, or None: then the system's is found."""
    given = os.environ.get("HNAS_LIBRARY")
    found = [given] if given and os.path.isfile(given) else []
    for folder in ("build*", os.path.join("build*", "*")):
        paths = glob.glob(os.path.join(ROOT, folder, "lib", "libhnas.so"))
        found += sorted((p for p in paths if os.path.exists(p)),
                        key=lambda p: -os.stat(p).st_mtime)
    for path in found:
        content = _read(path)
        if REFUSED not in content:
            return content
    return None


def _metadata():
    return (f"Metadata-Version: 2.1\nName: hnas\nVersion: {_version()}\n"
            "Summary: Neural architectures at any complexity: libhnas for "
            "Python\nLicense: BSD-3-Clause\nRequires-Python: >=3.8\n"
            "Requires-Dist: numpy\nDescription-Content-Type: text/markdown\n\n"
            + _read(os.path.join(HERE, "README.md")).decode()).encode()


def _tag(has_library):
    if not has_library:
        return "py3-none-any"
    platform = re.sub(r"[^A-Za-z0-9]", "_", sysconfig.get_platform())
    return f"py3-none-{platform}"


def _sources():
    """{name in the wheel: bytes}."""
    files = {}
    for path in sorted(glob.glob(os.path.join(HERE, "hnas", "*"))):
        if path.endswith((".py", "py.typed")):
            files["hnas/" + os.path.basename(path)] = _read(path)
    return files


def _write_wheel(folder, files, tag):
    name = f"hnas-{_version()}-{tag}.whl"
    info = f"hnas-{_version()}.dist-info"
    pure = str(tag.endswith("any")).lower()
    files = dict(files)
    files[f"{info}/METADATA"] = _metadata()
    files[f"{info}/WHEEL"] = (
        "Wheel-Version: 1.0\nGenerator: hnas_build\n"
        f"Root-Is-Purelib: {pure}\nTag: {tag}\n").encode()
    record = []
    for path, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
        record.append(f"{path},sha256={digest.decode().rstrip('=')},"
                      f"{len(content)}")
    record.append(f"{info}/RECORD,,")
    files[f"{info}/RECORD"] = "\n".join(record + [""]).encode()
    with zipfile.ZipFile(os.path.join(folder, name), "w",
                         zipfile.ZIP_DEFLATED) as z:
        for path, content in files.items():
            z.writestr(path, content)
    return name


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    files, library = _sources(), _library()
    if library:
        files[f"hnas/libhnas.so.{_constant('HNAS_ABI')}"] = library
    return _write_wheel(wheel_directory, files, _tag(library))


def build_editable(wheel_directory, config_settings=None,
                   metadata_directory=None):
    return _write_wheel(wheel_directory, {"hnas.pth": HERE.encode() + b"\n"},
                        _tag(None))


def build_sdist(sdist_directory, config_settings=None):
    base = f"hnas-{_version()}"
    files = _sources()
    for name in ("README.md", "pyproject.toml", "backend/hnas_build.py"):
        files[name] = _read(os.path.join(HERE, name))
    files["PKG-INFO"] = _metadata()
    path = os.path.join(sdist_directory, base + ".tar.gz")
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as t:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"{base}/{name}")
            entry.size = len(content)
            t.addfile(entry, io.BytesIO(content))
    return base + ".tar.gz"
