"""Runs `planner` again and again in processes forked from one that has imported everything, to be killed.

Started as a script; one JSON object a line comes in, with the arguments of the command line and where the process is to
kill itself: before or after its Nth entry in the journal, with SIGKILL, as `kill -9` would, or when it is to be killed.
Out goes how it ended. Nothing of the planner is changed but for that.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time


def main() -> None:
    import rattler

    import cli
    from planner.apply import embedded, journal, run, steps
    from planner.render import migration

    loaded = (rattler, embedded, run, steps, migration)
    assert all(loaded)
    for line in sys.stdin:
        wanted = json.loads(line)
        pid = os.fork()
        if pid == 0:
            child(wanted, cli, journal)
        sys.stdout.write(f"{ended(pid, wanted['kill_after'])}\n")
        sys.stdout.flush()


def ended(pid, kill_after):
    """The exit code of a child, killed after so many seconds unless it has ended."""
    start = time.monotonic()
    while kill_after is not None and time.monotonic() - start < kill_after:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.001)
    if kill_after is not None:
        os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def child(wanted, cli, journal) -> None:
    for number, path in ((1, wanted["stdout"]), (2, wanted["stderr"])):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    if wanted["largest_file"] is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (wanted["largest_file"],) * 2)
    if wanted["kill_at"] is not None:
        append, count = journal.Journal._append, 0

        def counted(self, entry):
            nonlocal count
            count += 1
            if (count, "before") == tuple(wanted["kill_at"]):
                os.kill(os.getpid(), signal.SIGKILL)
            append(self, entry)
            if (count, "after") == tuple(wanted["kill_at"]):
                os.kill(os.getpid(), signal.SIGKILL)

        journal.Journal._append = counted
    try:
        cli.main(wanted["arguments"])
    except SystemExit as end:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code or 0)
    os._exit(99)


if __name__ == "__main__":
    main()
