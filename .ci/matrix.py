"""Run the tests under other conditions, and print a table: threads, BLAS kernels, a strange path, a read-only checkout.

Usage: python .ci/matrix.py [--short] [--repeat N]

Each row is `python -m pytest` in a copy of the checkout, in the environment of the Python that runs this script.
The short list is what .ci/run does; the whole one takes half an hour to an hour and a half on two cores.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
THREADS = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"]
KERNELS = ["Prescott", "Nehalem", "Sandybridge", "Haswell", "Zen", "SkylakeX"]
TRIAL = "import numpy as np; a = np.ones((64, 64)); assert (a @ a == 64).all()"


def threads(count):
    return dict.fromkeys(THREADS, str(count))


def rows(short, repeat):
    """(what is different, environment variables, name of the folder, read-only)."""
    strange = "用 空格 and spaces"
    if short:
        return [("1 thread, Haswell kernel, strange path, read-only", threads(1) | kernel("Haswell"), strange, True)]
    table = [(f"{n} thread{'s' * (n > 1)}", threads(n), "project", False) for n in (1, 2, 4)]
    table += [(f"{name} kernel", kernel(name), "project", False) for name in KERNELS]
    table += [("a path with spaces and Chinese", {}, strange, False), ("a read-only checkout", {}, "project", True)]
    return table + [(f"again, {n} of {repeat}", {}, "project", False) for n in range(1, repeat + 1)]


def kernel(name):
    return {"OPENBLAS_CORETYPE": name}


def copy_of_checkout(folder, read_only):
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    for name in filter(None, files.decode().split("\0")):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)
    if read_only:
        for path in [folder, *folder.rglob("*")]:
            path.chmod(path.stat().st_mode & 0o555)


def run(variables, name, read_only):
    """'passed' and nothing, or what went wrong and the end of the output."""
    environment = {**os.environ, **variables, "PYTHONDONTWRITEBYTECODE": "1"}
    if subprocess.run([sys.executable, "-c", TRIAL], env=environment, capture_output=True).returncode:
        return "not on this processor", ""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / name
        folder.mkdir()
        copy_of_checkout(folder, read_only)
        before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for path in [folder, *folder.rglob("*")]:
            path.chmod(path.stat().st_mode | 0o200)
    if done.returncode:
        return "FAILED", "\n".join(done.stdout.splitlines()[-60:])
    return ("passed", "") if before == after else ("FAILED", "the tests changed files of the checkout")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="one row only")
    parser.add_argument("--repeat", type=int, default=10, help="how often to run under the usual conditions")
    options = parser.parse_args()
    failed = False
    print(f"{'condition':52} {'result':22} seconds", flush=True)
    for condition, variables, name, read_only in rows(options.short, options.repeat):
        start = time.perf_counter()
        result, details = run(variables, name, read_only)
        print(f"{condition:52} {result:22} {time.perf_counter() - start:7.0f}", flush=True)
        if details:
            print(details, flush=True)
        failed = failed or result == "FAILED"
    sys.exit(failed)


if __name__ == "__main__":
    main()
