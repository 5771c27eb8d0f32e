#!/usr/bin/env python3
"""Makes the n-th system call of a kind fail, for every n there is, and looks at what becomes of it.

    faults.py SCENARIO [--seconds N] [--jobs N] [--only PATTERN]

SCENARIO is the program `scenario` of the tests. `run.sh` builds it and calls this.
"""

import argparse
import concurrent.futures
import fnmatch
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

# What the whole of a run may take: its own time-outs are a second and a half each.
HANG = 30

# Role, system calls, error, and whether the exchange must succeed nevertheless. Where it need not,
# it must end with an error that has a type.
CASES = [
    ("client", "socket", "EMFILE", False),
    ("client", "socket", "ENOBUFS", False),
    ("client", "connect", "EINTR", False),
    ("client", "connect", "EAGAIN", False),
    ("client", "connect", "ECONNREFUSED", False),
    ("client", "connect", "ENETUNREACH", False),
    ("client", "setsockopt", "ENOBUFS", False),
    ("client", "poll,ppoll", "EINTR", True),
    ("client", "poll,ppoll", "ENOMEM", False),
    ("client", "recvfrom", "EINTR", True),
    ("client", "recvfrom", "EAGAIN", True),
    ("client", "recvfrom", "ECONNRESET", False),
    ("client", "recvfrom", "ENOMEM", False),
    ("client", "sendto", "EINTR", True),
    ("client", "sendto", "EAGAIN", True),
    ("client", "sendto", "EPIPE", False),
    ("client", "sendto", "ECONNRESET", False),
    ("client", "sendto", "ENOBUFS", False),
    ("listener", "accept4", "EINTR", True),
    ("listener", "accept4", "ECONNABORTED", True),
    ("listener", "accept4", "EPERM", True),
    ("listener", "accept4", "EMFILE", True),
    ("listener", "accept4", "ENFILE", True),
    ("listener", "accept4", "ENOBUFS", True),
    ("listener", "accept4", "ENOMEM", True),
    ("listener", "accept4", "EAGAIN", False),
    ("listener", "setsockopt", "ENOBUFS", False),
    ("listener", "epoll_ctl", "ENOMEM", False),
    ("listener", "epoll_wait", "EINTR", True),
    ("listener", "recvfrom", "EINTR", True),
    ("listener", "recvfrom", "ECONNRESET", False),
    ("listener", "recvfrom", "ENOMEM", False),
    ("listener", "recvfrom", "EAGAIN", False),
    ("listener", "sendto,writev", "EINTR", True),
    ("listener", "sendto,writev", "EPIPE", False),
    ("listener", "sendto,writev", "ECONNRESET", False),
    ("listener", "sendto,writev", "ENOBUFS", False),
    ("listener", "sendto,writev", "EAGAIN", False),
]


class Failed(Exception):
    """What must not happen."""


def disturbed(case, number, log):
    _, calls, error, _ = case
    return ["strace", "-f", "-qq", "--seccomp-bpf", "-o", log, "-e", "trace=" + calls,
            "-e", "inject=%s:error=%s:when=%d" % (calls, error, number)]


def begin(command, **more):
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            start_new_session=True, **more)


def end(process):
    """Its output and status, within reason."""
    try:
        output, _ = process.communicate(timeout=HANG)
        return output, process.returncode
    except subprocess.TimeoutExpired:
        # Its session is its own, so that nobody else is met.
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        raise Failed("hangs; said so far:\n" + output) from None


def judge(who, output, status, must):
    """`ok` or `typed`, unless it is neither."""
    if status == 0:
        return "ok"
    if status == 1 and not must:
        return "typed"
    raise Failed("%s ended with status %s:\n%s" % (who, status, output))


class Listener:
    """A listener that ends when it is told to. Without a `url` it could not begin."""

    def __init__(self, scenario, under=()):
        self.process = begin([*under, scenario, "listen"], stdin=subprocess.PIPE)
        self.line = self.process.stdout.readline()
        found = re.fullmatch(r"listening on (\S+)\n", self.line)
        self.url = found and "ws://%s/" % found.group(1)

    def end(self):
        self.process.stdin.close()
        self.process.stdin = None
        output, status = end(self.process)
        return self.line + output, status


# Calls that concern the listener as a whole, so that a further connection shows the harm.
COMMON = {"accept4", "epoll_ctl", "epoll_wait", "setsockopt"}


def disturb_listener(scenario, case, under):
    _, calls, _, must = case
    listener = Listener(scenario, under)
    verdict = "typed"
    try:
        if listener.url:
            def client(who, must):
                return judge(who, *end(begin([scenario, "client", listener.url])), must)

            verdict = client("first client", must)
            # Whatever became of one connection, the next one has all there is.
            if verdict == "typed":
                client("second client", True)
            elif calls in COMMON:
                verdict = client("second client", must)
                if verdict == "typed":
                    client("third client", True)
    finally:
        ended = listener.end()
    judge("listener", *ended, listener.url is not None)
    return verdict


def run(scenario, listener, case, number):
    """One run; `ok`, `typed`, or `over` where there is no such call any more."""
    with tempfile.NamedTemporaryFile("r", prefix="faults") as log:
        under = disturbed(case, number, log.name)
        if case[0] == "client":
            client = end(begin([*under, scenario, "client", listener.url]))
            verdict = judge("client", *client, case[3])
        else:
            verdict = disturb_listener(scenario, case, under)
        return verdict if "(INJECTED)" in log.read() else "over"


class Tally:
    def __init__(self, case):
        self.case, self.number = case, 0
        self.counts = {"ok": 0, "typed": 0, "failed": 0}
        # `busy` while it runs; `done` when there is no such call any more.
        self.state = "going"
        self.spent = 0

    def step(self, scenario, listener):
        began = time.monotonic()
        self.number += 1
        try:
            verdict = run(scenario, listener, self.case, self.number)
        except Failed as failed:
            print("FAILED %s, call %d: %s" % (self, self.number, failed), flush=True)
            verdict = "failed"
        self.spent += time.monotonic() - began
        self.state = "done" if verdict == "over" else "going"
        if verdict != "over":
            self.counts[verdict] += 1

    def __str__(self):
        return "%s %s %s" % self.case[:3]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("scenario")
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--jobs", type=int, default=2 * os.cpu_count())
    parser.add_argument("--only", default="*", help="such as 'client recvfrom *'")
    options = parser.parse_args()
    start = time.monotonic()
    tallies = [Tally(case) for case in CASES]
    tallies = [tally for tally in tallies if fnmatch.fnmatch(str(tally), options.only)]
    listener = Listener(options.scenario)

    # All kinds side by side, so that a short run has the first calls of each.
    turn = threading.Lock()

    def work():
        while time.monotonic() - start < options.seconds:
            with turn:
                going = [tally for tally in tallies if tally.state == "going"]
                if not going:
                    return
                tally = min(going, key=lambda tally: tally.spent)
                tally.state = "busy"
            tally.step(options.scenario, listener)

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for worker in [pool.submit(work) for _ in range(options.jobs)]:
            worker.result()

    output, status = listener.end()
    totals = {"ok": 0, "typed": 0, "failed": 0}
    for tally in tallies:
        for key in totals:
            totals[key] += tally.counts[key]
        stopped = "" if tally.state == "done" else ", not all calls for want of time"
        print("faults %s: %d succeeded, %d typed errors, %d failed%s" % (
            tally, tally.counts["ok"], tally.counts["typed"], tally.counts["failed"], stopped))
    if status != 0:
        print("FAILED the undisturbed listener: status %s\n%s" % (status, output))
        totals["failed"] += 1
    print("faults: %d passed, %d failed" % (totals["ok"] + totals["typed"], totals["failed"]))
    return 1 if totals["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
