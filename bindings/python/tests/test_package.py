# SPDX-License-Identifier: BSD-3-Clause
"""Installing, finding the library, types, pictures, the example of README."""
import inspect
import os
import re
import shutil
import subprocess
import sys

import pytest
from conftest import HERE, ROOT, World

import hnas

PACKAGE = os.path.dirname(HERE)
SHOW = "import hnas; print(hnas.__version__, hnas.library_path)"


def run(code, cwd="/", **env):
    clean = {k: v for k, v in os.environ.items()
             if k not in ("HNAS_LIBRARY", "PYTHONPATH")}
    return subprocess.run([sys.executable, "-c", code], cwd=cwd, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env={**clean, **env})


def copy_package(folder):
    shutil.copytree(os.path.join(PACKAGE, "hnas"), folder / "hnas",
                    ignore=shutil.ignore_patterns("__pycache__", "*.so*"))
    return str(folder)


def test_the_version_is_the_librarys():
    assert re.fullmatch(r"\d+\.\d+\.\d+", hnas.__version__)
    assert hnas.__all__ == sorted(hnas.__all__)
    for name in hnas.__all__:
        assert hasattr(hnas, name)


def test_help_has_a_text_for_everything():
    without = []
    for name in hnas.__all__:
        thing = getattr(hnas, name)
        if not callable(thing):
            continue
        members = inspect.getmembers(thing) if inspect.isclass(thing) else []
        without += [f"{name}.{m}" for m, v in [("", thing), *members]
                    if not m.startswith("_") and not isinstance(v, type) and
                    (callable(v) or isinstance(v, property))
                    and not inspect.getdoc(v)]
    assert not without


def test_pip_installs_it_with_the_library_beside_it(tmp_path):
    pytest.importorskip("pip")
    target = tmp_path / "site"
    r = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps",
         "--no-index", "--disable-pip-version-check", "--target", str(target),
         PACKAGE],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "HNAS_LIBRARY": hnas.library_path})
    assert r.returncode == 0, r.stdout
    out = run(SHOW, PYTHONPATH=str(target))
    assert out.stdout.split() == [
        hnas.__version__, str(target / "hnas" / "libhnas.so.0")], out.stderr
    assert (target / "hnas" / "py.typed").exists()
    assert not os.path.exists(os.path.join(PACKAGE, "build"))


def test_a_source_archive_holds_what_a_wheel_needs(tmp_path):
    sys.path.insert(0, os.path.join(PACKAGE, "backend"))
    try:
        import hnas_build
    finally:
        del sys.path[0]
    import tarfile
    name = hnas_build.build_sdist(str(tmp_path))
    with tarfile.open(tmp_path / name) as t:
        names = {n.split("/", 1)[1] for n in t.getnames()}
    assert {"pyproject.toml", "README.md", "backend/hnas_build.py",
            "hnas/_abi.py", "hnas/py.typed", "PKG-INFO"} <= names
    assert hnas_build.build_editable(str(tmp_path)).endswith("any.whl")


def test_pythonpath_finds_the_build_tree():
    out = run(SHOW, PYTHONPATH=PACKAGE)
    if "looked here" in out.stderr:
        pytest.skip("no build tree here")
    path = out.stdout.rstrip().split(" ", 1)[1]
    assert path.startswith(ROOT) and path.endswith("lib/libhnas.so")


def test_hnas_library_comes_first(tmp_path):
    copy = tmp_path / "other.so"
    shutil.copy(hnas.library_path, copy)
    out = run(SHOW, PYTHONPATH=PACKAGE, HNAS_LIBRARY=str(copy))
    assert out.stdout.split()[1] == str(copy)
    shutil.copy(hnas.library_path, tmp_path / "libhnas.so.0")
    out = run(SHOW, PYTHONPATH=PACKAGE, HNAS_LIBRARY=str(tmp_path))
    assert out.stdout.split()[1] == str(tmp_path / "libhnas.so.0")
    out = run(SHOW, PYTHONPATH=PACKAGE, HNAS_LIBRARY="/nowhere/x.so")
    assert "ImportError: HNAS_LIBRARY=/nowhere/x.so" in out.stderr


def test_a_failure_says_where_it_looked(tmp_path):
    folder = copy_package(tmp_path)
    out = run(SHOW, PYTHONPATH=folder)
    if out.returncode == 0:
        pytest.skip("the system has a libhnas")
    for text in ("no libhnas.so.0; looked here", "HNAS_LIBRARY",
                 f"beside the package: {folder}/hnas/libhnas.so.0",
                 "build tree: none above", "system: "):
        assert text in out.stderr


def test_another_library_is_refused(tmp_path):
    source = tmp_path / "none.c"
    source.write_text("int hnas_other(void);\nint hnas_other(void)\n"
                      "{\n    return 0;\n}\n")
    library = tmp_path / "none.so"
    if not shutil.which("cc"):
        pytest.skip("no C compiler")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library),
                    str(source)], check=True)
    out = run(SHOW, PYTHONPATH=PACKAGE, HNAS_LIBRARY=str(library))
    assert "lacks hnas_abi, " in out.stderr and "other headers" in out.stderr


def test_mypy_is_content(tmp_path):
    if not shutil.which("mypy"):
        pytest.skip("mypy is not installed")
    r = subprocess.run(["mypy", "--cache-dir", str(tmp_path)], cwd=PACKAGE,
                       stdout=subprocess.PIPE, text=True)
    assert r.returncode == 0, r.stdout


def test_users_see_the_types(tmp_path):
    if not shutil.which("mypy"):
        pytest.skip("mypy is not installed")
    user = tmp_path / "user.py"
    user.write_text("import hnas\nctx = hnas.Context(threads=1)\n"
                    "net = hnas.Supernet(ctx, channels='many')\n"
                    "reveal_type(hnas.Hypernet(net).lambda_range)\n")
    r = subprocess.run(["mypy", "--cache-dir", str(tmp_path / "cache"),
                        "--strict", str(user)],
                       stdout=subprocess.PIPE, text=True,
                       env={**os.environ, "MYPYPATH": PACKAGE})
    assert 'Argument "channels" to "Supernet" has incompatible' in r.stdout
    assert "float, builtins.float]" in r.stdout
    assert "Found 1 error in 1 file" in r.stdout


def test_importing_brings_neither_matplotlib_nor_tqdm():
    out = run("import sys, hnas, hnas.plot\n"
              "print([m for m in ('matplotlib', 'tqdm', 'torch', 'scipy')"
              " if m in sys.modules])", PYTHONPATH=PACKAGE,
              HNAS_LIBRARY=hnas.library_path)
    assert out.stdout == "[]\n", out.stderr


def test_pictures(ctx, tmp_path):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from hnas import plot
    w = World(ctx, alpha_lr=0.1)
    for i in range(6):
        w.search.step(w.batch(i), w.batch(i + 50))
    path = w.search.path()
    ax = plot.path(path, metric="macs")
    assert ax.get_xscale() == "log" and ax.get_ylabel() == "macs"
    values = ax.patches[0].get_data().values
    assert list(values) == [p.cost.macs for p in path.pieces]
    quality = [1.0 - i / 100 for i in range(len(path))]
    front = plot.front(path, quality)
    assert len(front.lines) == 2
    history = [hnas.Epoch(0, 2.0, 2.1), hnas.Epoch(1, 1.0, float("nan"))]
    assert len(plot.curves(history).lines) == 2
    own = plot.curves([3.0, 2.0], ax=matplotlib.pyplot.figure().subplots())
    assert list(own.lines[0].get_ydata()) == [3.0, 2.0]
    own.figure.savefig(tmp_path / "curves.svg")
    assert (tmp_path / "curves.svg").stat().st_size > 1000


def test_a_bar_counts_the_steps(ctx, pictures, capsys):
    pytest.importorskip("tqdm")
    World(ctx).search.fit(*pictures, epochs=1, batch=50, progress=True)
    assert "6/6" in capsys.readouterr().err
    World(ctx).search.fit(*pictures, epochs=1, batch=50)
    assert capsys.readouterr().err == ""


def test_the_example_of_readme_runs(tmp_path):
    with open(os.path.join(PACKAGE, "README.md"), encoding="utf-8") as f:
        blocks = re.findall(r"```python\n(.*?)```", f.read(), re.S)
    assert sum(1 for line in blocks[0].splitlines() if line.strip()) <= 12
    code = blocks[0].replace("epochs=12", "epochs=1").replace(
        "epochs=5", "epochs=1").replace("search.safe",
                                        str(tmp_path / "search.safe"))
    out = run(code, cwd=ROOT, PYTHONPATH=PACKAGE,
              HNAS_LIBRARY=hnas.library_path)
    assert out.returncode == 0, out.stderr
    assert re.search(r"(?m)^\d+\.\d%$", out.stdout)
    second = ("import numpy as np, hnas\nctx = hnas.Context()\n" + blocks[1])
    out = run(second, PYTHONPATH=PACKAGE, HNAS_LIBRARY=hnas.library_path)
    assert out.returncode == 0, out.stderr
