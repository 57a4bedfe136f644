"""What is said while a kernel is compiled."""

import os
import pty
import subprocess
import sys

CODE = """
import sparsecode._native, numba

@numba.njit
def inner(x):
    return x + 1

@numba.njit
def outer(x):
    return inner(x)

for kernel in (inner, outer):
    kernel.py_func.__module__ = "sparsecode.some_kernels"
outer(1), outer(2), outer(1.0)
"""


def test_on_a_terminal_each_outermost_kernel_is_named_once():
    ours, theirs = pty.openpty()
    subprocess.run([sys.executable, "-c", CODE], stderr=theirs, check=True)
    os.close(theirs)
    said = os.read(ours, 10_000).decode().splitlines()
    assert [line.split(", once; kept in")[0] for line in said] == ["Compiling sparsecode.some_kernels.outer"]


def test_elsewhere_nothing_is_said():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
