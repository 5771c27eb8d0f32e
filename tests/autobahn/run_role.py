#!/usr/bin/env python3
"""Runs the Autobahn suite (set up by install.sh) against one peer, and judges its report.

  run_role.py server [options] -- COMMAND    tests a server, which is started and stopped here;
                                             {port} in the command is replaced
  run_role.py client [options] -- COMMAND    tests a client; {url} and {agent} are replaced: it is
                                             to read {url}/getCaseCount, run
                                             {url}/runCase?case=N&agent={agent} for N from 1, and
                                             ask for {url}/updateReports?agent={agent}

The last line of the output counts the verdicts. Reports: OUT/job-*/index.html, one page a case, and
OUT/index.json for all of them. Exit status: 0 if every case is OK or informational.
"""
import argparse
import collections
import json
import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time

AGENT = "wirewright"
# The suite waits one second for a close, which a busy machine can miss. Waiting longer forgives no
# wrong answer.
CLOSE_TIMEOUT = 5
WHOLE_RUN_TIMEOUT = 3600


def key(case_id):
    return tuple(int(x) for x in case_id.split("."))


def select(all_cases, patterns):
    """The cases that match one of the patterns (1.*, 9.1.*, 6.4.1)."""
    regexes = [re.compile(re.escape(p).replace(r"\*", ".*") + "$") for p in patterns.split(",")]
    return [c for c in all_cases if any(r.match(c) for r in regexes)]


def weight(case_id, messages):
    """Roughly the seconds that a case takes, measured, to balance the jobs."""
    k = key(case_id)
    if k[0] >= 12:
        size = [.4, .4, .4, .6, 1, 1.4, 2.2, 3.8, 6.8, 12, 1.7, 2.6, 4.7, 8.5, 16, 14, 13, 13]
        return .01 + size[k[2] - 1] * messages / 1000
    if k[0] == 9:
        return .5
    if k[:2] == (6, 4):
        return 2
    return 1 if k in ((5, 19), (5, 20)) else .01


def split(cases, jobs, messages):
    parts = [[0, []] for _ in range(jobs)]
    for c in sorted(cases, key=lambda c: -weight(c, messages)):
        part = min(parts, key=lambda p: p[0])
        part[0] += weight(c, messages)
        part[1].append(c)
    return [p[1] for p in parts if p[1]]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def port_open(port, process):
    end = time.monotonic() + 20
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        except OSError:
            time.sleep(.05)
    return False


def start(command, log, **more):
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                            stderr=subprocess.STDOUT, **more)


def stop(process):
    if process and process.poll() is None:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Job:
    """One process of the suite with its share of the cases."""

    def __init__(self, args, number, cases, server_url):
        self.args, self.problems = args, []
        self.dir = args.out / ("job-%d" % number)
        self.dir.mkdir(parents=True)
        self.port = free_port()
        self.url = args.url(self.port)
        self.spec = {"outdir": str(self.dir), "cases": cases, "exclude-cases": [],
                     "exclude-agent-cases": {}, "options": {"closeHandshakeTimeout": CLOSE_TIMEOUT}}
        if args.role == "server":
            self.mode = "fuzzingclient"
            self.spec["servers"] = [{"agent": AGENT, "url": server_url}]
            self.spec["options"]["serverConnectionDropTimeout"] = CLOSE_TIMEOUT
        else:
            self.mode = "fuzzingserver"
            self.spec["url"] = self.url
            if args.tls:
                files = {"cert": "server.pem", "key": "server.key"}
                self.spec.update({name: str(args.tls / file) for name, file in files.items()})

    def run(self):
        suite = client = None
        spec = self.dir / "spec.json"
        spec.write_text(json.dumps(self.spec))
        env = dict(os.environ, WSTEST_MESSAGES=str(self.args.messages))
        command = [str(self.args.suite / "bin/wstest"), "-m", self.mode, "-s", str(spec), "-u", "0"]
        with open(self.dir / "wstest.log", "wb") as log, \
                open(self.dir / "client.log", "wb") as client_log:
            try:
                suite = start(command, log, env=env)
                if self.args.role == "client":
                    if not port_open(self.port, suite):
                        raise OSError("the fuzzing server did not start, see %s" % log.name)
                    client = start([x.replace("{url}", self.url).replace("{agent}", AGENT)
                                    for x in self.args.command], client_log)
                    status = client.wait(WHOLE_RUN_TIMEOUT)
                    if status:
                        self.problems.append("the client ended with status %d, see %s"
                                             % (status, client_log.name))
                    self.end_fuzzing_server()
                suite.wait(WHOLE_RUN_TIMEOUT)
            except subprocess.TimeoutExpired as e:
                self.problems.append("not done after %d s" % e.timeout)
            except OSError as e:
                self.problems.append(str(e))
            finally:
                stop(client)
                stop(suite)

    def end_fuzzing_server(self):
        """Asks for the report and the end; an opening handshake suffices."""
        s = socket.create_connection(("127.0.0.1", self.port), 10)
        if self.args.tls:
            context = ssl.create_default_context(cafile=self.args.tls / "ca.pem")
            s = context.wrap_socket(s, server_hostname="127.0.0.1")
        with s:
            s.settimeout(120)
            s.sendall(("GET /updateReports?agent=%s&shutdownOnComplete=true HTTP/1.1\r\n"
                       "Host: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                       "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s==\r\n\r\n"
                       % (AGENT, self.port, "A" * 22)).encode())
            while s.recv(4096):
                pass

    def report(self):
        try:
            cases = json.loads((self.dir / "index.json").read_text()).get(AGENT, {})
        except (OSError, ValueError) as e:
            self.problems.append("no report: %s" % e)
            return {}
        for case in cases.values():
            case["reportfile"] = "%s/%s" % (self.dir.name, case["reportfile"])
        return cases


def verdict(case):
    """wstest judges twice, the case and its close; the worse of the two counts."""
    both = {case["behavior"], case["behaviorClose"]}
    for v in ("NON-STRICT", "INFORMATIONAL", "OK"):
        if both <= {v, "INFORMATIONAL", "OK"} and v in both:
            return v
    return "FAILED"         # also UNIMPLEMENTED: without compression the peer proves nothing


def judge(role, expected, report, problems):
    """Prints each case that is not plainly OK, then the counts; returns the exit status."""
    verdicts = {c: verdict(report[c]) if c in report else "FAILED" for c in expected}
    for c in sorted(expected, key=key):
        if c not in report:
            print("  FAILED         %-8s no verdict: the case did not run" % c)
        elif verdicts[c] != "OK":
            r = report[c]
            print("  %-14s %-8s behavior %s, close %s, code %s, %s" % (
                verdicts[c], c, r["behavior"], r["behaviorClose"], r["remoteCloseCode"],
                r["reportfile"]))
    for p in problems:
        print("  PROBLEM        " + p)
    n = collections.Counter(verdicts.values())
    print("autobahn %s: %d run, %d failed, %d non-strict, %d informational" % (
        role, len(report), n["FAILED"], n["NON-STRICT"], n["INFORMATIONAL"]))
    return 1 if n["FAILED"] or n["NON-STRICT"] or problems else 0


def arguments():
    argv, command = sys.argv[1:], []
    if "--" in argv:
        i = argv.index("--")
        argv, command = argv[:i], argv[i + 1:]
    ap = argparse.ArgumentParser(description=__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("role", choices=("server", "client"))
    ap.add_argument("--suite", type=pathlib.Path, required=True, help="where install.sh put it")
    ap.add_argument("--out", type=pathlib.Path, required=True, help="for the reports")
    ap.add_argument("--cases", default="*", help="patterns, by commas (default: all)")
    ap.add_argument("--messages", type=int, default=1000, help="a case in 12.* and 13.*")
    ap.add_argument("--tls", type=pathlib.Path, metavar="DIR",
                    help="over TLS, with ca.pem, server.pem and server.key in this folder")
    ap.add_argument("--jobs", type=int, default=1, help="processes that share the cases")
    args = ap.parse_args(argv)
    args.suite, args.out, args.command = args.suite.resolve(), args.out.resolve(), command
    if not command:
        ap.error("what is to be tested? A command is needed after --")
    if not (args.suite / "cases.txt").exists():
        ap.error("no suite in %s: run install.sh" % args.suite)
    args.url = ("wss://127.0.0.1:%d" if args.tls else "ws://127.0.0.1:%d").__mod__
    if args.tls:
        args.tls = args.tls.resolve()
    args.selected = select((args.suite / "cases.txt").read_text().split(), args.cases)
    if not args.selected:
        ap.error("no case matches")
    # The folder is emptied, so it must be one of ours.
    if args.out.exists() and not (args.out / ".autobahn-report").exists():
        ap.error("%s exists and is no report of an earlier run" % args.out)
    return args


def main():
    args = arguments()
    shutil.rmtree(args.out, ignore_errors=True)
    args.out.mkdir(parents=True)
    (args.out / ".autobahn-report").touch()

    server, port, problems = None, free_port(), []
    started = time.monotonic()
    with open(args.out / "server.log", "wb") as log:
        if args.role == "server":
            server = start([x.replace("{port}", str(port)) for x in args.command], log)
        try:
            if server and not port_open(port, server):
                problems.append("the server did not start, see %s" % log.name)
                jobs = []
            else:
                shares = split(args.selected, args.jobs, args.messages)
                url = args.url(port)
                jobs = [Job(args, i, share, url) for i, share in enumerate(shares)]
            threads = [threading.Thread(target=j.run) for j in jobs]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            if jobs and server and server.poll() is not None:
                problems.append("the server ended during the run (status %d), see %s"
                                % (server.returncode, log.name))
        finally:
            stop(server)

    report = {}
    for i, job in enumerate(jobs):
        report.update(job.report())
        problems += ["job %d: %s" % (i, p) for p in job.problems]
    (args.out / "index.json").write_text(json.dumps({AGENT: report}, indent=1, sort_keys=True))
    print("%s: %d of %d cases by %d processes in %.0f s, %d messages a case in 12.* and 13.*" % (
        args.role, len(report), len(args.selected), len(jobs), time.monotonic() - started,
        args.messages))
    return judge(args.role + (" over TLS" if args.tls else ""), args.selected, report, problems)


if __name__ == "__main__":
    sys.exit(main())
