"""Run by an environment's own interpreter: try to import modules, and to open shared objects as the loader would.

Standard input is JSON: {"modules": [[name, ...], ...], "objects": [path, ...]}. For each one line of JSON comes back:
[kind, name, error or null, origin or null]. Each group of modules, and each shared object, has a process of its own
that is forked from this one, so that none sees what another has loaded. It runs on CPython 3.6 and later, writes no
bytecode, and needs nothing but the standard library.
"""

import ctypes
import importlib
import json
import os
import select
import signal
import sys
import time

PATIENCE = 60
RTLD_NOW = 2


def short(error):
    """One line that says what happened."""
    text = str(error).strip().splitlines()
    return "{}: {}".format(type(error).__name__, text[0] if text else "")[:300]


def import_one(name):
    """Import a module; its error, or None, and where it came from.

    What it lies in is asked for first: a package that fails leaves modules behind that it had got as far as.
    """
    try:
        parts = name.split(".")
        for count in range(1, len(parts)):
            importlib.import_module(".".join(parts[:count]))
        module = importlib.import_module(name)
    except BaseException as error:
        return short(error), None
    origin = getattr(getattr(module, "__spec__", None), "origin", None) or getattr(module, "__file__", None)
    return None, origin


def open_one(path):
    """Open a shared object with every symbol resolved at once."""
    try:
        ctypes.CDLL(path, mode=RTLD_NOW)
    except BaseException as error:
        return short(error), None
    return None, path


def in_child(kind, names):
    """Try the names in order in one child; yields an answer for each, also when the child dies or hangs."""
    names = list(names)
    while names:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            void = os.open(os.devnull, os.O_RDWR)
            for number in (0, 1, 2):
                os.dup2(void, number)
            attempt = import_one if kind == "module" else open_one
            for name in names:
                answer = attempt(name)
                os.write(writer, (json.dumps(answer) + "\n").encode())
            os._exit(0)
        os.close(writer)
        answers, ended = read_answers(reader, len(names))
        if not ended:
            os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
        for name, (error, origin) in zip(names, answers):
            yield [kind, name, error, origin]
        names = names[len(answers) :]
        if names:
            how = "hangs" if not ended else "ends the process with status {}".format(status)
            yield [kind, names.pop(0), how, None]


def read_answers(reader, count):
    """The answers that come within the time that each may take; and whether the child came to an end by itself."""
    content = b""
    deadline = time.time() + PATIENCE
    while True:
        ready = select.select([reader], [], [], max(0, deadline - time.time()))[0]
        if not ready:
            os.close(reader)
            return lines(content, count), False
        part = os.read(reader, 65536)
        if not part:
            os.close(reader)
            return lines(content, count), True
        content += part
        deadline = time.time() + PATIENCE


def lines(content, count):
    """Whole lines only: what a dying child has half written counts for nothing."""
    whole = content.split(b"\n")[:-1]
    return [json.loads(line.decode()) for line in whole[:count]]


def main():
    """Answer the question on standard input."""
    question = json.loads(sys.stdin.read())
    # What `-c` and the working folder add must not help any import.
    sys.path[:] = [entry for entry in sys.path if entry]
    for group in question["modules"]:
        for answer in in_child("module", group):
            print(json.dumps(answer))
    for path in question["objects"]:
        for answer in in_child("object", [path]):
            print(json.dumps(answer))


main()
