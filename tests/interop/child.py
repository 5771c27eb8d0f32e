"""Programs that are started, and what became of their cases."""

import os
import signal
import subprocess
import textwrap

# What a peer may take with all its cases.
PATIENCE = 100


class Child:
    """A program that runs until it is told to end, in a session of its own."""

    def __init__(self, command, **more):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
            **{"text": True, "stderr": subprocess.DEVNULL, **more})

    def line(self):
        return self.process.stdout.readline().strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(0.2)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


def run(command, **more):
    """A program's output, within reason."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=PATIENCE, start_new_session=True, **more)
        return done.stdout
    except subprocess.TimeoutExpired as late:
        return "%s\nFAILED: not done in %d s" % (late.stdout or "", PATIENCE)


def verdicts(name, problems):
    """`problems` has for each case what went wrong with it, or None."""
    failed = {case: problem for case, problem in problems.items() if problem}
    # Indented, as another's result may be within.
    lines = ["FAILED %s, %s: %s" % (name, case, textwrap.indent(problem, "  ").strip())
             for case, problem in failed.items()]
    lines.append("interop %s: %d passed, %d failed" % (
        name, len(problems) - len(failed), len(failed)))
    return "\n".join(lines)
