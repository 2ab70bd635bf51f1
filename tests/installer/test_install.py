"""Tests of the program that installs an app's packages: core/src/packages/install.py.

    python3 tests/installer/test_install.py

They need pip, git and openssl, and nothing from the internet.
"""

import fcntl
import gzip
import importlib.util
import io
import itertools
import json
import os
import platform
import random
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock
from urllib.parse import quote, unquote

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True

from index import Index, basic
from store import Store

PROGRAM = (HERE.parents[1] / "core/src/packages/install.py").read_text(encoding="utf-8")
PYTHON = "%d.%d" % sys.version_info[:2]
DAY = 86400

# Put before the program: each process that it starts becomes a line of a file.
AUDIT = """
import json, os, sys
def audited(event, args, file=os.open(os.environ.pop("TEST_EVENTS"), os.O_WRONLY | os.O_APPEND | os.O_CREAT)):
    if event in ("subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn"):
        os.write(file, (json.dumps([event, args[1]], default=str) + "\\n").encode())
sys.addaudithook(audited)
"""

# Put before the program: the process group of each process that it starts becomes a line of a file.
GROUPS = """
import os, subprocess
class Noted(subprocess.Popen):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        with open(os.environ["TEST_GROUPS"], "a") as file:
            print(self.pid, file=file)
subprocess.Popen = Noted
"""

# Put before the program: what a Python before 3.12 may lack.
NO_FILTER = """
import tarfile
vars(tarfile).pop("data_filter", None)
"""

# In place of pip: tells what it was given, and installs a module that does nothing.
STUB = """
import json, os, stat, sys
value = {name: sys.argv[at + 1] for at, name in enumerate(sys.argv) if name in ("--target", "--requirement")}
def text(path):
    with open(path, encoding="utf-8", newline="") as file:
        return file.read()
paths = [value["--requirement"], os.environ["PIP_CONFIG_FILE"]]
told = {
    "arguments": sys.argv[1:], "environment": dict(os.environ), "requirements": text(paths[0]),
    "configuration": text(paths[1]),
    "modes": [stat.S_IMODE(os.stat(path).st_mode) for path in (*paths, os.path.dirname(paths[0]))],
    "input": sys.stdin.read(),
}
# In one piece, as several may write at once.
line = (json.dumps(told) + "\\n").encode()
os.write(os.open(os.path.join(os.path.dirname(__file__), "told"), os.O_WRONLY | os.O_APPEND | os.O_CREAT), line)
with open(os.path.join(value["--target"], "stub.py"), "w") as file:
    file.write("")
"""

# In place of pip: fails at the first time, and whenever it finds what it has left before.
UNTIDY = """
import os, sys
for directory in (sys.argv[-3], os.environ["TMPDIR"]):
    open(os.path.join(directory, "left"), "x").close()
seen = os.path.join(os.path.dirname(__file__), "seen")
if not os.path.exists(seen):
    open(seen, "w").close()
    sys.exit("this is the first time")
"""

# Runs the program many times in one process, each time in its own environment and with nothing in place of processes.
MANY = """
import io, json, os, subprocess, sys
given = json.load(sys.stdin)
code = compile(given["program"], "install.py", "exec")
started, events, out = [], [], sys.stdout
class Nothing:
    pid, returncode, stdout = 1 << 30, 0, ()
    def __init__(self, argv, **options):
        with open(argv[-1], "rb") as file:
            started.append({"argv": argv, "shell": options.get("shell"), "requirements": file.read().decode(),
                            "environment": options["env"]})
        with open(os.path.join(argv[argv.index("--target") + 1], "nothing.py"), "w"):
            pass
    def wait(self, timeout=None):
        return 0
    poll = wait
subprocess.Popen = Nothing
sys.addaudithook(lambda event, _: events.append(event) if event in (
    "subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn") else None)
results = []
for environment in given["environments"]:
    os.environ.clear()
    os.environ.update(environment)
    started.clear()
    sys.stdout = io.TextIOWrapper(io.BytesIO(), "utf-8")
    try:
        exec(code, {"__name__": "__main__"})
    except SystemExit as end:
        sys.stdout.flush()
        with open(environment["KASPR_TERMINATION_LOG"], encoding="utf-8") as file:
            message = json.load(file)
        results.append({"code": end.code, "output": sys.stdout.buffer.getvalue().decode(), "message": message,
                        "started": list(started)})
    finally:
        sys.stdout = out
json.dump({"results": results, "events": events}, out)
"""


class Result:
    """How a run went."""

    def __init__(self, code, output, message):
        self.code = code
        self.output = output
        self.message = message


class Case(unittest.TestCase):
    """A directory for each test, and the program on it."""

    def setUp(self):
        self.directory = Path(tempfile.mkdtemp(prefix="installer-")).resolve()
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.numbers = itertools.count(1)
        # What pip must not take for an answer to a question.
        self.typed = self.enterContext(open(self.directory / "typed", "w+"))
        self.typed.write("yes\n" * 100)
        self.typed.seek(0)
        self.index = Index()
        self.enterContext(self.index)

    if sys.version_info < (3, 11):
        def enterContext(self, manager):
            entered = manager.__enter__()
            self.addCleanup(manager.__exit__, None, None, None)
            return entered

    def spec(self, packages, **more):
        return {
            "packages": packages, "hash": "0123456789abcdef", "set": "set", "root": str(self.directory / "packages"),
            "mode": "ephemeral", "indexUrl": self.index.url, "attempts": 1, "timeoutSeconds": 60, "onFailure": "block",
            **more,
        }

    def environment(self, spec, more):
        number = next(self.numbers)
        temporary = self.directory / f"tmp-{number}"
        temporary.mkdir()
        return {
            "PATH": os.environ.get("PATH", os.defpath), "HOME": str(temporary), "TMPDIR": str(temporary),
            "LANG": "C.UTF-8", "KASPR_PAUSE": "0", "KASPR_INSTALL": spec if isinstance(spec, str) else json.dumps(spec),
            "KASPR_TERMINATION_LOG": str(self.directory / f"termination-{number}"), **more,
        }

    def start(self, spec, before="", python=sys.executable, **more):
        environment = self.environment(spec, more)
        process = subprocess.Popen(
            [python, "-I", "-c", before + "\n" + PROGRAM], env=environment, stdin=self.typed,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=self.directory)
        process.termination_log = Path(environment["KASPR_TERMINATION_LOG"])
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.kill)
        return process

    def finish(self, process):
        output = process.communicate(timeout=100)[0].decode()
        log = process.termination_log
        message = json.loads(log.read_text(encoding="utf-8")) if log.exists() else None
        if message is not None:
            self.assertLessEqual(log.stat().st_size, 4000)
        self.assertNotIn("Traceback", output if "ERROR: Exception" not in output else "")
        return Result(process.returncode, output, message)

    def install(self, spec, **more):
        return self.finish(self.start(spec, **more))

    def succeed(self, spec, source="pip", **more):
        result = self.install(spec, **more)
        self.assertEqual(result.code, 0, result.output)
        self.assertEqual((result.message["state"], result.message["source"]), ("Installed", source), result.output)
        self.assertNotIn("error", result.message)
        self.assert_tidy(spec)
        return result

    def fail_with(self, spec, error, **more):
        result = self.install(spec, **more)
        self.assertEqual(result.code, 1, result.output)
        self.assertEqual((result.message["state"], result.message["error"]), ("Failed", error), result.output)
        self.assert_tidy(spec)
        return result

    def assert_tidy(self, spec):
        """Nothing is left but what belongs there."""
        left = [path.name for path in Path(spec["root"]).glob(".*") if path.name.startswith((".tmp-", ".old-"))]
        self.assertEqual(left, [])
        self.assertEqual(list(self.directory.glob("tmp-*/kaspr-*")), [])

    def marker(self, spec):
        return json.loads((self.set_of(spec) / ".installed.json").read_text(encoding="utf-8"))

    def set_of(self, spec):
        return Path(spec["root"], spec["set"])

    def imported(self, spec, expression):
        """What Python says with the set in its path; None if it cannot."""
        code = f"import sys; sys.path.insert(0, {str(self.set_of(spec))!r}); print({expression})"
        result = subprocess.run([sys.executable, "-I", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        return result.stdout.decode().strip() if result.returncode == 0 else None

    def wait_for(self, condition, what):
        limit = time.monotonic() + 60
        while not condition():
            if time.monotonic() > limit:
                self.fail(f"in vain waited for {what}")
            time.sleep(0.02)

    def plant(self, spec, name, age=0, files=("planted.py",), **marker):
        """A set that is there already."""
        directory = Path(spec["root"], name)
        directory.mkdir(parents=True)
        for file in files:
            (directory / file).write_text("")
        path = directory / ".installed.json"
        path.write_text(json.dumps({
            "packages": spec["packages"], "python_version": PYTHON, "machine": platform.machine(),
            "install_time": "2031-05-02T10:07:00.123456+00:00", "duration": "7s", "pod_name": "earlier",
            "hash": spec["hash"], **marker,
        }))
        then = time.time() - age
        os.utime(path, (then, then))
        return directory

    def stub(self, pip=STUB):
        """A Python whose pip is a stub, and what tells what that was given."""
        home = self.directory / "stub"
        if not home.exists():
            subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
            (package,) = home.glob("lib/python*/site-packages")
            (package / "pip").mkdir()
            (package / "pip" / "__init__.py").write_text("")
            (package / "pip" / "__main__.py").write_text(pip)
        told = next(home.glob("lib/python*/site-packages/pip")) / "told"

        def read():
            return [json.loads(line) for line in told.read_text(encoding="utf-8").splitlines()]

        return str(home / "bin" / "python"), read


class Program(unittest.TestCase):
    def test_kubernetes_leaves_the_text_as_it_is(self):
        self.assertNotIn("$(", PROGRAM)
        self.assertNotIn("$$", PROGRAM)

    def test_what_the_tests_need_is_there(self):
        self.assertIsNotNone(importlib.util.find_spec("pip"), f"{sys.executable} has no pip, which these tests need")
        for command in ("openssl", "git"):
            self.assertIsNotNone(shutil.which(command), f"these tests need {command}, and it is not in PATH")


class Ephemeral(Case):
    def test_packages_are_installed_once(self):
        self.index.add("alpha", "1.0", requires=["beta"])
        self.index.add("beta", "2.0")
        spec = self.spec(["alpha==1.0"])
        result = self.succeed(spec)
        versions = self.imported(spec, "__import__('alpha').__version__, __import__('beta').__version__")
        self.assertEqual(versions, "1.0 2.0")
        marker = self.marker(spec)
        self.assertEqual(set(marker), {
            "packages", "python_version", "install_time", "duration", "pod_name", "hash", "machine"})
        self.assertEqual((marker["packages"], marker["hash"]), (["alpha==1.0"], spec["hash"]))
        self.assertEqual((marker["python_version"], marker["machine"]), (PYTHON, platform.machine()))
        self.assertRegex(marker["install_time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00$")
        self.assertRegex(marker["duration"], r"^\d+s$")
        self.assertEqual(result.message, {
            "state": "Installed", "source": "pip", "attempts": 1, "installedBy": marker["pod_name"], "packages": 1,
            "pythonVersion": PYTHON, "hash": spec["hash"], "installTime": marker["install_time"],
            "duration": marker["duration"],
        })
        self.assertEqual(stat.S_IMODE(self.set_of(spec).stat().st_mode), 0o755)

        asked = len(self.index.asked)
        again = self.succeed(spec, "kept")
        self.assertEqual(again.message, {**result.message, "source": "kept", "attempts": 0})
        self.assertEqual(len(self.index.asked), asked)

    def test_another_python_or_machine_installs_anew(self):
        python, _ = self.stub()
        for at, other in enumerate(({"python_version": "3.1"}, {"machine": "vax"}, {"python_version": None})):
            spec = self.spec(["alpha"], set=f"set-{at}")
            self.plant(spec, spec["set"], **other)
            self.succeed(spec, python=python)
            self.assertEqual(sorted(path.name for path in self.set_of(spec).glob("*.py")), ["stub.py"])
            self.assertEqual(self.marker(spec)["python_version"], PYTHON)

    def test_a_set_with_a_broken_marker_is_installed_anew(self):
        python, _ = self.stub()
        for text in ("", "[]", "7", '"x"', '{"python_version": "3', "{}"):
            spec = self.spec(["alpha"])
            self.set_of(spec).mkdir(parents=True, exist_ok=True)
            (self.set_of(spec) / ".installed.json").write_text(text)
            self.succeed(spec, python=python)

    def test_whoever_comes_first_wins(self):
        self.index.add("alpha", "1.0")
        self.index.going.clear()
        spec = self.spec(["alpha"])
        process = self.start(spec)
        self.wait_for(lambda: self.index.asked, "pip")
        self.plant(spec, "set")
        self.index.going.set()
        result = self.finish(process)
        self.assertEqual((result.code, result.message["source"]), (0, "kept"))
        self.assertEqual((result.message["installedBy"], result.message["duration"]), ("earlier", "7s"))
        self.assertEqual([path.name for path in self.set_of(spec).glob("*.py")], ["planted.py"])
        self.assert_tidy(spec)

    def test_a_termination_log_that_cannot_be_written_is_no_failure(self):
        python, _ = self.stub()
        spec = self.spec(["alpha"])
        result = self.install(spec, python=python, KASPR_TERMINATION_LOG=str(self.directory / "none" / "log"))
        self.assertEqual(result.code, 0, result.output)

    def test_a_full_disk_of_ours_is_told(self):
        python, _ = self.stub()
        full = "import os\ndef full(*_): raise OSError(28, 'No space left on device')\nos.rename = full"
        self.fail_with(self.spec(["alpha"]), "disk_full", python=python, before=full)

    def test_sigterm_ends_pip_and_all_that_it_started(self):
        note = self.directory / "note"
        self.index.add_source("stubborn", "1.0", stubborn(note))
        spec = self.spec(["stubborn"])
        process = self.start(spec)
        self.wait_for(note.exists, "the build")
        process.terminate()
        self.assertEqual(process.wait(30), 143)
        with open(note, encoding="utf-8") as file:
            self.wait_for(lambda: lock(file), "the end of the build")
        self.assert_tidy(spec)
        self.assertFalse(self.set_of(spec).exists())


class Shared(Case):
    def spec(self, packages, **more):
        return super().spec(packages, mode="shared", **more)

    def test_an_upgrade_leaves_the_old_set_to_those_who_run_on_it(self):  # D-07
        self.index.add("six", "1.15.0")
        self.index.add("six", "1.16.0")
        self.index.add("gone", "1.0", {"gone/__init__.py": "", "gone/late.py": "late = 'still here'\n"})
        old, new = self.spec(["six==1.15.0", "gone"], set="old"), self.spec(["six==1.16.0"], set="new")
        self.succeed(old)
        worker = f"import sys; sys.path.insert(0, {str(self.set_of(old))!r}); import gone; input(); import six; " \
                 "from gone.late import late; print(six.__version__, late)"
        running = subprocess.Popen(
            [sys.executable, "-I", "-c", worker], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.succeed(new)
        self.assertEqual(running.communicate(b"\n", 30)[0], b"1.15.0 still here\n")
        self.assertEqual(self.imported(new, "__import__('six').__version__"), "1.16.0")
        self.assertIsNone(self.imported(new, "__import__('gone')"))
        names = sorted(path.name for path in self.set_of(new).iterdir() if path.name != "__pycache__")
        self.assertEqual(names, [".installed.json", "six-1.16.0.dist-info", "six.py"])
        self.assertEqual(self.marker(old)["packages"], ["six==1.15.0", "gone"])
        self.succeed(old, "kept")

    def test_of_two_at_once_one_installs(self):  # D-15
        self.index.add("alpha", "1.0")
        self.index.going.clear()
        spec = self.spec(["alpha"])
        first = self.start(spec)
        self.wait_for(lambda: self.index.asked, "pip")
        second = self.start(spec)
        line = second.stdout.readline().decode()
        self.assertIn(f"waiting for {platform.node()}", line)
        self.index.going.set()
        results = [self.finish(process) for process in (first, second)]
        self.assertEqual([result.code for result in results], [0, 0], results[1].output)
        self.assertEqual([result.message["source"] for result in results], ["pip", "kept"])
        self.assert_tidy(spec)

    def test_many_at_once_end_well(self):
        python, told = self.stub()
        spec = self.spec(["alpha"])
        processes = [self.start(spec, python=python) for _ in range(6)]
        sources = sorted(self.finish(process).message["source"] for process in processes)
        self.assertEqual(sources, ["kept"] * 5 + ["pip"])
        self.assertEqual(len(told()), 1)

    def test_a_killed_holder_frees_the_lock(self):
        self.index.add("alpha", "1.0")
        self.index.going.clear()
        spec, groups = self.spec(["alpha"]), self.directory / "groups"
        first = self.start(spec, before=GROUPS, TEST_GROUPS=str(groups))
        self.wait_for(lambda: self.index.asked, "pip")
        first.kill()
        first.wait(30)
        os.killpg(int(groups.read_text()), signal.SIGKILL)
        self.assertEqual(len(list(Path(spec["root"]).glob(".tmp-*"))), 1)
        shutil.rmtree(self.directory / "tmp-1")  # It goes with the container.
        self.index.going.set()
        self.succeed(spec)
        self.assertTrue(Path(spec["root"], ".install.lock").exists())

    def test_waiting_has_an_end_and_says_who_holds_it_up(self):
        # A clock on which a minute passes in a second.
        fast = "import time\nreal = time.monotonic\ntime.monotonic = lambda: real() * 60\n" \
               "doze = time.sleep\ntime.sleep = lambda seconds: doze(seconds / 60)"
        spec = self.spec(["alpha"], timeoutSeconds=35, attempts=2)
        Path(spec["root"]).mkdir()
        with open(Path(spec["root"], ".install.lock"), "w", encoding="utf-8") as file:
            file.write("pod-7")
            file.flush()
            self.assertTrue(lock(file))
            result = self.fail_with(spec, "timeout", before=fast)
        self.assertIn(result.output.count("waiting for pod-7, which is installing"), (2, 3), result.output)
        self.assertEqual(result.message["message"], "pod-7 held the lock for more than 140 s")

    def test_without_locks_it_goes_on(self):
        python, _ = self.stub()
        none = "import errno, fcntl\ndef none(*_): raise OSError(errno.ENOLCK, 'No locks')\nfcntl.flock = none"
        result = self.succeed(self.spec(["alpha"]), python=python, before=none)
        self.assertIn("going on without a lock", result.output)

    def test_old_sets_go_and_all_else_stays(self):
        python, _ = self.stub()
        spec = self.spec(["alpha"])
        root = Path(spec["root"])
        for name, age in (("a", 8), ("b", 9), ("c", 10), ("d", 11), ("e", 12)):
            self.plant(spec, name, age * DAY)
        self.plant(spec, ".hidden", 30 * DAY)
        for name, age in ((".tmp-x-1", 2), (".tmp-x-2", 0.5), (f".tmp-{platform.node()}-abcd_123", 0), (".old-1", 0)):
            (root / name).mkdir()
            os.utime(root / name, (time.time() - age * DAY,) * 2)
        (root / "six").mkdir()
        (root / "six.py").write_text("")
        (root / ".installed-0123").write_text("{}")
        (root / "link").symlink_to(self.directory)
        self.install(spec, python=python)
        stays = [
            "a", "b", "c", ".hidden", ".tmp-x-2", "six", "six.py", ".installed-0123", "link", ".install.lock", "set"]
        self.assertEqual(sorted(path.name for path in root.iterdir()), sorted(stays))

    def test_sets_in_use_stay(self):
        python, _ = self.stub()
        spec = self.spec(["alpha"])
        for age in range(6):
            self.plant(spec, f"young-{age}", age * DAY)
        old = {**spec, "set": "used"}
        self.plant(old, "used", 30 * DAY)
        self.succeed(old, "kept")
        self.succeed(spec, python=python)
        left = sorted(path.name for path in Path(spec["root"]).iterdir())
        self.assertEqual(left, sorted([".install.lock", "set", "used", *(f"young-{age}" for age in range(6))]))

    def test_nothing_is_cleaned_where_nothing_was_installed(self):
        spec = self.spec(["- nothing"])
        for age in range(6):
            self.plant(spec, f"old-{age}", (20 + age) * DAY)
        self.fail_with(spec, "invalid_package")
        self.assertEqual(len(list(Path(spec["root"]).glob("old-*"))), 6)


class Pip(Case):
    def test_a_login_goes_to_the_main_index_only(self):
        for at, password in enumerate(("&|/@:$ #%?'\"\\`", "ümlaut-中-😀", "${HOME}$(id)%41")):
            with Index(login=("me&", password)) as main, Index() as extra:
                main.add("alpha", "1.0")
                extra.add("beta", "1.0")
                spec = self.spec(
                    ["alpha", "beta"], set=f"set-{at}", indexUrl=main.url, extraIndexUrls=[extra.url])
                result = self.succeed(spec, PYPI_USERNAME="me&", PYPI_PASSWORD=password)
                self.assertIn(basic("me&", password), main.authorizations())
                self.assertLessEqual(main.authorizations(), {None, basic("me&", password)})
                self.assertIn("/files/beta-1.0-py3-none-any.whl", [asked.path for asked in extra.asked])
                self.assertEqual(extra.authorizations(), {None})
                self.assert_secret(password, spec, result)

    def assert_secret(self, secret, spec, result):
        texts = [result.output, json.dumps(result.message, ensure_ascii=False)]
        texts += [path.read_text(errors="replace") for path in Path(spec["root"]).rglob("*") if path.is_file()]
        for text in texts:
            self.assertNotIn(secret, text)
            self.assertNotIn(quote(secret, safe=""), text)

    def test_pip_gets_what_it_should(self):
        python, told = self.stub()
        spec = self.spec(
            ["alpha", "beta @ git+https://${TOKEN}@host/x", "c==1.0 ; python_version > '3'", "x$OTHER", "y${UNDECLARED}"],
            variables=["TOKEN", "OTHER", "MISSING", "GIT_SSH_COMMAND"], extraIndexUrls=["http://b/simple", "https://c"],
            trustedHosts=["b", "c:8080"])
        known = {
            "GIT_SSH_COMMAND": "ssh -i key", "https_proxy": "http://proxy", "PIP_CERT": "/ca", "SSL_CERT_FILE": "/ca"}
        self.succeed(
            spec, python=python, **known, TOKEN="t0ken$X", OTHER="o$TOKEN", UNDECLARED="u",
            PIP_INDEX_URL="http://evil", PIP_NO_INDEX="1", PYTHONPATH="/evil", PYTHONSTARTUP="/evil",
            PYPI_USERNAME="user", PYPI_PASSWORD="pass word")
        (given,) = told()
        self.assertEqual(given["requirements"], (
            "\ufeffalpha\nbeta @ git+https://t0ken$X@host/x\nc==1.0 ; python_version > '3'\nxo$TOKEN\n"
            "y${UNDECLARED}\n"))
        self.assertEqual(given["modes"], [0o600, 0o600, 0o700])
        self.assertEqual(given["input"], "")
        environment = given["environment"]
        for name, value in known.items():
            self.assertEqual(environment.get(name), value)
        self.assertEqual([name for name in environment if name.startswith(("PIP_", "PYTHON"))
                          and name not in ("PIP_CERT", "PIP_CONFIG_FILE")], [])
        for name in ("KASPR_INSTALL", "PYPI_USERNAME", "PYPI_PASSWORD", "TOKEN", "OTHER", "UNDECLARED"):
            self.assertNotIn(name, environment)
        configuration = given["configuration"].splitlines()
        self.assertEqual(configuration[0], "[global]")
        self.assertEqual([line for line in configuration[1:] if not line.startswith("log = ")], [
            "keyring-provider = disabled", f"index-url = http://user:pass%20word@{self.index.host}/simple",
            "extra-index-url = http://b/simple https://c", "trusted-host = b c:8080"])
        self.assertEqual(given["arguments"][:5], [
            "install", "--no-input", "--disable-pip-version-check", "--no-warn-script-location", "--no-cache-dir"])
        self.assertEqual(given["arguments"][5::2], ["--target", "--requirement"])
        for path in (given["arguments"][8], environment["PIP_CONFIG_FILE"], environment["TMPDIR"]):
            self.assertFalse(Path(path).is_relative_to(spec["root"]))

    def test_without_an_index_a_login_goes_nowhere(self):
        python, told = self.stub()
        self.succeed(self.spec(["alpha"], indexUrl=None), python=python, PYPI_USERNAME="user", PYPI_PASSWORD="secret")
        (given,) = told()
        self.assertNotIn("index-url", given["configuration"])
        self.assertNotIn("secret", json.dumps(given))

    def test_builds_see_no_secret_in_their_environment(self):
        self.index.login = ("user", "hidden-word")
        self.index.add_source("nosy", "1.0", nosy())
        url = f"http://${{WHO}}:${{TOKEN}}@{self.index.host}/files/nosy-1.0.tar.gz"
        spec = self.spec([f"nosy @ {url}"], variables=["TOKEN", "WHO"])
        result = self.succeed(
            spec, WHO="user", TOKEN="hidden-word", PYPI_USERNAME="user", PYPI_PASSWORD="hidden-word", X="y")
        seen = (self.set_of(spec) / "nosy.py").read_text()
        self.assertIn("'X': 'y'", seen)
        self.assertEqual(self.marker(spec)["packages"], [f"nosy @ {url}"])
        for path in (self.set_of(spec) / "nosy.py", self.set_of(spec) / ".installed.json"):
            self.assertNotIn("hidden-word", path.read_text())
        self.assertNotIn("hidden-word", result.output)

    def test_what_is_not_declared_stays_as_it_is(self):
        wheel = "files/alpha-1.0-py3-none-any.whl"
        spec = self.spec([f"alpha @ http://{self.index.host}/${{HOME}}/$HOME/{wheel}"])
        self.fail_with(spec, "package_not_found")
        paths = {unquote(asked.path) for asked in self.index.asked}
        self.assertEqual(paths, {f"/${{HOME}}/$HOME/{wheel}"})

    def test_secrets_are_redacted(self):
        self.index.status = 404
        url = f"http://user:${{TOKEN}}@{self.index.host}/$TOKEN/alpha-1.0-py3-none-any.whl"
        spec = self.spec([f"alpha @ {url}"], variables=["TOKEN"])
        tokens = ["S3Cret", "S3Cr/S3Cret", "S3Cret-ü", "S3C%41&x", "S3C &ü%", "S3Cret\n"]
        specs = [{**spec, "root": str(self.directory / f"packages-{at}")} for at in range(len(tokens))]
        with ThreadPoolExecutor(3) as pool:
            results = list(pool.map(lambda spec, token: self.install(spec, TOKEN=token), specs, tokens))
        for result in results:
            self.assertEqual(result.message["state"], "Failed")
            for text in (result.output, result.message["message"]):
                self.assertNotIn("S3C", text)
                self.assertIn("***", text)

    def test_it_tries_again(self):
        self.index.add("alpha", "1.0")
        self.index.failures = 2
        result = self.succeed(self.spec(["alpha"], attempts=3))
        self.assertEqual(result.message["attempts"], 3)
        self.assertIn("attempt 2 failed (package_not_found)", result.output)

    def test_an_attempt_finds_nothing_of_the_one_before(self):
        python, _ = self.stub(UNTIDY)
        result = self.succeed(self.spec(["alpha"], attempts=2), python=python)
        self.assertEqual(result.message["attempts"], 2)

    def test_what_pip_cannot_read_it_is_not_given_again(self):
        result = self.fail_with(self.spec(["a=1"], attempts=3), "invalid_package")
        self.assertEqual(result.message["attempts"], 1)

    def test_it_gives_up(self):
        self.index.delay = 60
        spec, groups = self.spec(["alpha"], attempts=2, timeoutSeconds=1), self.directory / "groups"
        result = self.fail_with(spec, "timeout", before=GROUPS, TEST_GROUPS=str(groups))
        self.assertEqual((result.message["attempts"], result.message["message"]), (2, "pip did not end within 1 s"))
        for group in groups.read_text().split():
            with self.assertRaises(ProcessLookupError):
                os.killpg(int(group), 0)

    def test_the_app_may_start_without(self):
        spec = self.spec(["alpha"], onFailure="allow")
        result = self.install(spec)
        self.assertEqual(result.code, 0)
        self.assertEqual((result.message["state"], result.message["error"]), ("Failed", "package_not_found"))
        self.assertEqual(set(result.message), {
            "state", "source", "attempts", "installedBy", "pythonVersion", "hash", "packages", "error", "message",
            "duration"})
        self.assertFalse(self.set_of(spec).exists())
        self.assert_tidy(spec)

    def test_failures_have_classes(self):  # D-42
        broken = "def get_requires_for_build_wheel(*_): return []\ndef build_wheel(*_, **__): raise {}\n"
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            nobody = "127.0.0.1:%d" % closed.getsockname()[1]
            direct = "alpha @ http://INDEX/files/alpha-1.0-py3-none-any.whl"
            cases = [
                ("package_not_found", "beta", "No matching distribution found for beta", {}),
                ("package_not_found", "alpha==9", "alpha==9", {}),
                ("package_not_found", "hash", "found for hash", {}),
                ("package_not_found", "a" * 10000, "found for aaa", {}),
                ("network", "alpha", "Connection refused", {"indexUrl": f"http://{nobody}/simple"}),
                ("network", "alpha", "SSL", {"indexUrl": "https://localhost:PORT/simple"}),
                ("network", "alpha", "502", {"status": 502}),
                ("network", "alpha", "not a trusted or secure host", {"indexUrl": "http://index.invalid/simple"}),
                ("network", "alpha @ git+http://%s/x" % nobody, "", {}),
                ("authentication", "alpha", "401 Client Error", {"login": ("user", "other")}),
                ("authentication", "alpha", "403 Client Error", {"status": 403}),
                ("authentication", direct, "403", {"status": 403}),
                ("authentication", "git+http://INDEX/x", "could not read Username", {"login": ("user", "other")}),
                ("hash_mismatch", "alpha", "DO NOT MATCH", {"noise": b"x"}),
                ("hash_mismatch", f"{direct}#sha256={'0' * 64}", "DO NOT", {}),
                ("build_failed", "broken", "did not run successfully", {}),
                ("disk_full", "full", "No space left", {}),
                ("invalid_package", "a=1", "Invalid requirement: 'a=1'", {}),
                ("invalid_package", "x; touch /tmp/pwned", "nvalid", {}),
                ("invalid_package", "münchen", "Invalid requirement", {}),
                ("unknown", "both", "conflict", {}),
            ]

            def check(number, case):
                error, package, telling, options = case
                with Index() as index:
                    index.add("alpha", "1.0")
                    index.add("alpha", "2.0")
                    index.add("both", "1.0", requires=["alpha==1.0", "alpha==2.0"])
                    index.add_source("broken", "1.0", broken.format("RuntimeError('broken')"))
                    index.add_source("full", "1.0", broken.format("OSError(28, 'No space left on device')"))
                    for name in ("status", "noise", "login"):
                        setattr(index, name, options.get(name, getattr(index, name)))
                    url = options.get("indexUrl", index.url).replace("PORT", index.host.partition(":")[2])
                    spec = self.spec([package.replace("INDEX", index.host)], set=f"set-{number}", indexUrl=url,
                                     root=str(self.directory / str(number)))
                    result = self.install(spec, PYPI_USERNAME="user", PYPI_PASSWORD="pass")
                    return error, telling, result

            with ThreadPoolExecutor(8) as pool:
                results = list(pool.map(check, range(len(cases)), cases))
        for (error, telling, result), case in zip(results, cases):
            with self.subTest(package=case[1][:100], **case[3]):
                self.assertEqual((result.code, result.message.get("error")), (1, error), result.output)
                self.assertIn(telling, result.message["message"])
                self.assertLessEqual(len(result.message["message"]), 500)
                self.assertNotIn("pass@", result.output)

    def test_a_python_without_pip_says_so(self):
        python, _ = self.stub()
        shutil.rmtree(next((self.directory / "stub").glob("lib/python*/site-packages/pip")))
        result = self.fail_with(self.spec(["alpha"]), "unknown", python=python)
        self.assertIn("No module named pip", result.message["message"])

    def test_a_killed_pip_says_so(self):
        python, _ = self.stub("import os\nos.kill(os.getpid(), 9)\n")
        result = self.fail_with(self.spec(["alpha"]), "unknown", python=python)
        self.assertIn("ended by signal 9", result.message["message"])


class Bucket(Case):
    def setUp(self):
        super().setUp()
        self.store = self.enterContext(Store())

    def spec(self, packages, bucket="bucket", **more):
        name = self.store.credentials(bucket)
        return super().spec(packages, mode="bucket", **{"bucket": {
            "name": bucket, "key": "some/prefix/app/0123456789abcdef.tar.gz", "maxBytes": 1 << 20, "credentials": name,
        }, **more})

    def start(self, spec, **more):
        return super().start(spec, STORAGE_EMULATOR_HOST=self.store.url, **more)

    def pod(self, spec, number):
        """The same in another pod."""
        return {**spec, "root": str(self.directory / f"pod-{number}")}

    @staticmethod
    def key(machine=None):
        machine = machine or platform.machine()
        return f"some/prefix/app/0123456789abcdef-py{PYTHON}{'' if machine == 'x86_64' else '-' + machine}.tar.gz"

    def test_the_second_pod_needs_no_index(self):
        self.index.add("alpha", "1.0", {"alpha/__init__.py": "from .deep import x\n", "alpha/deep.py": "x = 7\n"})
        first = self.spec(["alpha"])
        result = self.succeed(first)
        self.assertIn("nothing from the bucket (miss)", result.output)
        self.assertEqual(list(self.store.objects), [("bucket", self.key())])
        with tarfile.open(fileobj=io.BytesIO(self.store.objects["bucket", self.key()])) as archive:
            self.assertNotIn(".installed.json", archive.getnames())
            self.assertIn("alpha/deep.py", archive.getnames())
        asked = len(self.index.asked)
        second = self.pod(first, 2)
        result = self.succeed(second, "bucket")
        self.assertEqual((len(self.index.asked), result.message["attempts"]), (asked, 0))
        self.assertEqual(self.imported(second, "__import__('alpha').x"), "7")
        self.assertEqual(self.marker(second)["install_time"], result.message["installTime"])
        self.succeed(second, "kept")
        self.assertEqual(self.store.did("bucket"), ["token", "download", "token", "upload", "token", "download"])

    def test_another_machine_has_its_own_archive(self):
        python, _ = self.stub()
        self.succeed(self.spec(["alpha"]), python=python, before="import platform\nplatform.machine = lambda: 'vax'")
        self.assertEqual(list(self.store.objects), [("bucket", self.key("vax"))])

    def test_whatever_is_wrong_with_an_archive_pip_is_there(self):  # D-17
        python, _ = self.stub()
        good = packed([("stub.py", b"old")])
        link, hard, device = (tarfile.TarInfo("x") for _ in range(3))
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        hard.type, hard.linkname = tarfile.LNKTYPE, "../x"
        device.type = tarfile.CHRTYPE
        cases = {
            "token-401": ({"token": 401}, good, "authentication"),
            "token-403": ({"token": 403}, good, "authentication"),
            "token-500": ({"token": 500}, good, "network"),
            "download-401": ({"download": 401}, good, "authentication"),
            "download-403": ({"download": 403}, good, "authentication"),
            "download-404": ({"download": 404}, good, "miss"),
            "download-500": ({"download": 500}, good, "network"),
            "hang": ({"hang": True}, good, "network"),
            "drip": ({"drip": True}, good, "network"),
            "corrupt": ({"corrupt": True}, good, "corrupt): the MD5 is not"),
            "truncate": ({"truncate": True}, good, "corrupt): only"),
            "upload-403": ({"upload": 403, "download": 404}, good, "miss"),
            "upload-500": ({"upload": 500, "download": 404}, good, "miss"),
            "garbage": ({}, b"garbage", "corrupt"),
            "short": ({}, good[:-9], "corrupt"),
            "tampered": ({}, good[:-8] + bytes(8), "corrupt"),
            "not-tar": ({}, gzip.compress(b"x" * 2000), "corrupt"),
            "nothing": ({}, b"", "corrupt"),
            "empty": ({}, packed([]), "corrupt"),
            "outside": ({}, packed([("../evil", b"x")]), "corrupt"),
            "deep": ({}, packed([("a/../../evil", b"x")]), "corrupt"),
            "absolute": ({}, packed([(str(self.directory / "evil"), b"x")]), "corrupt"),
            "link": ({}, packed([], link), "corrupt"),
            "hard": ({}, packed([], hard), "corrupt"),
            "device": ({}, packed([], device), "corrupt"),
        }
        def run(case):
            bucket, (faults, body, _) = case
            self.store.faults[bucket] = faults
            self.store.objects[bucket, self.key()] = body
            seconds = 4 if bucket in ("hang", "drip") else 60
            spec = self.spec(["alpha"], bucket, root=str(self.directory / bucket), timeoutSeconds=seconds)
            before = NO_FILTER if bucket in ("outside", "deep", "absolute", "link", "hard", "device") else ""
            return spec, self.install(spec, python=python, before=before)

        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(run, cases.items()))
        for (bucket, (_, _, reason)), (spec, result) in zip(cases.items(), results):
            with self.subTest(bucket):
                self.assertEqual(result.code, 0, result.output)
                self.assertEqual(result.message["source"], "pip", result.output)
                self.assertIn(f"nothing from the bucket ({reason}", result.output)
                self.assertEqual((self.set_of(spec) / "stub.py").read_text(), "")
                self.assertEqual(sorted(os.listdir(self.set_of(spec))), [".installed.json", "stub.py"])
                self.assert_tidy(spec)
                failed = {"upload-403": "authentication", "upload-500": "network"}.get(bucket)
                if failed:
                    self.assertIn(f"nothing left in the bucket ({failed})", result.output)
        self.assertFalse(list(self.directory.rglob("evil")))

    def test_an_archive_of_the_original_is_taken_with_and_without_a_filter(self):
        body = packed([("./alpha.py", b"x = 7\n"), ("./bin/tool", b"#!/bin/sh\n"), ("./.installed.json/x", b"")])
        self.store.objects["bucket", self.key()] = body
        for number, before in enumerate(("", NO_FILTER)):
            spec = self.pod(self.spec(["alpha"]), number)
            self.succeed(spec, "bucket", before=before)
            self.assertEqual(self.imported(spec, "__import__('alpha').x"), "7")
            self.assertEqual(self.marker(spec)["hash"], spec["hash"])
            self.assertEqual(stat.S_IMODE(self.set_of(spec).stat().st_mode), 0o755)
            self.assertEqual(stat.S_IMODE((self.set_of(spec) / "bin/tool").stat().st_mode), 0o755)
            self.assertEqual(stat.S_IMODE((self.set_of(spec) / "alpha.py").stat().st_mode), 0o644)

    def test_what_is_too_large_is_not_uploaded(self):
        python, _ = self.stub()
        spec = self.spec(["alpha"])
        spec["bucket"]["maxBytes"] = 10
        result = self.succeed(spec, python=python)
        self.assertIn("nothing left in the bucket (too_large)", result.output)
        self.assertEqual(self.store.objects, {})

    def test_a_useless_service_account_is_only_logged(self):
        python, _ = self.stub()
        path = self.directory / "account.json"
        no_key = {"client_email": "x", "private_key": "no key", "token_uri": self.store.url}
        texts = [None, "{", "[]", "{}", json.dumps(no_key)]
        for number, text in enumerate(texts):
            if text is not None:
                path.write_text(text)
            spec = self.pod(self.spec(["alpha"]), number)
            spec["bucket"]["credentials"] = str(path)
            result = self.succeed(spec, python=python)
            self.assertIn("nothing from the bucket (authentication)", result.output)
        self.assertEqual(self.store.asked, [])

    def test_without_openssl_pip_is_there(self):
        python, _ = self.stub()
        result = self.succeed(self.spec(["alpha"]), python=python, PATH=str(self.directory))
        self.assertIn("openssl", result.output)

    def test_the_private_key_is_on_no_disk_and_in_no_output(self):
        python, _ = self.stub()
        keep = "import shutil\nshutil.rmtree = lambda *_, **__: None"
        result = self.install(
            self.spec(["alpha"]), python=python, before=keep, PYPI_USERNAME="user", PYPI_PASSWORD="hidden")
        self.assertEqual(result.code, 0, result.output)
        files = [path for path in self.directory.rglob("*") if path.is_file() and "stub" not in path.parts]
        self.assertTrue({"unsigned", "archive", "requirements.txt", "pip.conf"} <= {path.name for path in files})
        lines = [line for line in self.store.private_key.splitlines() if "-----" not in line]
        for text in [result.output, *(path.read_text(errors="replace") for path in files)]:
            self.assertFalse([line for line in lines if line in text])
        holders = [path.name for path in files if b"hidden" in path.read_bytes()]
        self.assertEqual(holders, ["pip.conf"])


# Texts that would do harm somewhere between the specification and pip.
HOSTILE = [
    "x; touch pwned", "x;touch${IFS}pwned", "$(touch pwned)", "`touch pwned`", "x && touch pwned",
    "x | touch pwned", "x > pwned", "'; touch pwned; '", '"; touch pwned; "', "x\\'; touch pwned", "${PATH}",
    "$PATH", "%s%n%d", "{0.__class__}", '","mode":"shared', '\\", "root": "/', "münchen", "中文", "😀",
    "a @ file:///etc/passwd", "../../etc/passwd", "/etc/passwd", "~", "*", "a" * 10000, "-r /etc/passwd",
    "--index-url=http://evil", "x --index-url=http://evil", "x -r /etc/passwd", " -r /etc/passwd", "-e .",
    "x\n-r /etc/passwd", "x\r--index-url=http://evil", "x\u2028-e .", "x\x85-e .", "x\x0b-e .",
    "\ufeff-r /etc/passwd", "x\0y", "x\x1b[2J", "x\\", "# x", "x # y", "x\u00a0# y", "x\ud800", "", "   ",
    "${PIP_CONFIG_FILE}", "x ${HIDDEN}", "x\u200b-e .",
]


class Security(Case):
    def test_under_a_shell_hostile_texts_start_nothing_but_pip(self):
        python, told = self.stub()
        spec = self.spec(["x"], variables=["HIDDEN"])

        def run(number, text):
            events = self.directory / f"events-{number}"
            here = self.directory / f"here-{number}"
            here.mkdir()
            given = {**spec, "packages": ["alpha", text], "root": str(self.directory / f"root-{number}")}
            environment = self.environment(given, {
                "PY": python, "PROGRAM": AUDIT + PROGRAM, "TEST_EVENTS": str(events), "HIDDEN": "-r /etc/passwd"})
            result = subprocess.run(["sh", "-c", 'exec "$PY" -I -c "$PROGRAM"'], env=environment, cwd=here,
                                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            message = json.loads(Path(environment["KASPR_TERMINATION_LOG"]).read_text(encoding="utf-8"))
            started = [json.loads(line) for line in events.read_text().splitlines()]
            return result, message, started, os.listdir(here)

        with ThreadPoolExecutor(3) as pool:
            runs = list(pool.map(run, range(len(HOSTILE)), HOSTILE))
        accepted = [text for text, (result, *_) in zip(HOSTILE, runs) if result.returncode == 0]
        self.assertEqual(accepted, HOSTILE[:HOSTILE.index("-r /etc/passwd")])
        for text, (result, message, started, left) in zip(HOSTILE, runs):
            with self.subTest(text=text[:60]):
                self.assertEqual(left, [])
                if result.returncode:
                    self.assertEqual((message["error"], message["attempts"], started), ("invalid_package", 0, []))
                else:
                    ((event, argv),) = started
                    self.assertEqual(event, "subprocess.Popen")
                    self.assert_argv(argv, python)
        requirements = [given["requirements"] for given in told()]
        self.assertEqual(sorted(requirements), sorted(f"\ufeffalpha\n{text}\n" for text in accepted))
        self.assertFalse([path for path in self.directory.rglob("pwned")])

    def assert_argv(self, argv, python):
        target, file = argv[-3], argv[-1]
        self.assertEqual(argv, [
            python, "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--no-warn-script-location",
            "--no-cache-dir", "--target", target, "--requirement", file])
        self.assertRegex(target, r"/\.tmp-[^/]*$")
        self.assertRegex(file, r"/kaspr-\w+/requirements\.txt$")

    def many(self, environments):
        given = json.dumps({"program": PROGRAM, "environments": environments})
        result = subprocess.run(
            [sys.executable, "-I", "-c", MANY], input=given.encode(), stdout=subprocess.PIPE, check=True)
        told = json.loads(result.stdout)
        self.assertEqual(told["events"], [])
        self.assertEqual(len(told["results"]), len(environments))
        return told["results"]

    def test_random_texts_are_one_requirement_to_pip_or_refused(self):
        pieces = [
            "a", "B", "7", "_", ".", "==", "1.0", "[x]", ";", " ", "  ", "-", "--", " -", " --hash=sha256:00",
            "-r ", "-e ", "-c", "#", " #", "$", "${", "}", "(", ")", "$(id)", "`id`", "${HOME}", "${TOKEN}",
            "$TOKEN", "${OTHER}", "${PIP_CONFIG_FILE}", "\\", "\\\\", "\n", "\r\n", "\t", "\0", "\x0b", "\x0c",
            "\x1c", "\x85", "\u2028", "\u2029", "\u00a0", "\u3000", "\ufeff", "\u200e", "\ud800", "'", '"', "&",
            "|", "<", ">", "/", "..", "@", " @ ", "git+https://", "file:///etc/passwd", "http://h/", "%", "%s",
            "%(x)s", "{}", "ü", "Ņ", "中", "😀", "*", "?", "!", "~", "^", ",", "coding: latin-1",
            "--index-url=http://evil", "/etc/passwd",
        ]
        dice = random.Random(20310502)
        texts = ["".join(dice.choice(pieces) for _ in range(dice.randint(1, 9))) for _ in range(500)]
        values = [dice.choice(["t", "-r x", "#", "x\ny", "a\\", "${HOME}", " -e .", "v w", "$", "ü"]) for _ in texts]
        specs = [self.spec([text], set=f"set-{at}", variables=["TOKEN", "UNSET"]) for at, text in enumerate(texts)]
        environments = [
            self.environment(spec, {"TOKEN": value, "OTHER": "o"}) for spec, value in zip(specs, values)]
        accepted = 0
        for text, value, result in zip(texts, values, self.many(environments)):
            with self.subTest(text=text, value=value):
                if result["code"]:
                    self.assertEqual((result["message"]["error"], result["started"]), ("invalid_package", []))
                    continue
                accepted += 1
                (started,) = result["started"]
                self.assertIsNone(started["shell"])
                self.assert_argv(started["argv"], sys.executable)
                expected = text.replace("${TOKEN}", "\1").replace("$TOKEN", "\1").replace("\1", value)
                self.assertEqual(self.read_by_pip(started), [expected.strip(" ")])
        # Neither everything nor nothing.
        self.assertTrue(50 < accepted < 450, accepted)

    def read_by_pip(self, started):
        """The requirements that pip itself reads from what it would have been given."""
        from pip._internal.req.req_file import parse_requirements
        file = self.directory / "requirements.txt"
        file.write_bytes(started["requirements"].encode())
        with mock.patch.dict(os.environ, started["environment"], clear=True):
            parsed = list(parse_requirements(str(file), session=None))
        for requirement in parsed:
            self.assertFalse(requirement.is_editable or requirement.options or requirement.constraint)
        return [requirement.requirement for requirement in parsed]

    def test_a_specification_that_is_wrong_is_told_in_one_sentence(self):
        good = self.spec(["alpha"])
        bucket = {"name": "b", "key": "k", "maxBytes": 1, "credentials": "/c"}
        wrong = [
            {"packages": []}, {"packages": "alpha"}, {"packages": [7]}, {"packages": None}, {"hash": "0123"},
            {"hash": "0123456789abcdeF"}, {"hash": 7}, {"set": ""}, {"set": ".."}, {"set": "a/b"},
            {"set": ".hidden"}, {"set": "a\n"}, {"root": "relative"}, {"root": "/a\0b"}, {"mode": "other"},
            {"attempts": 0}, {"attempts": -1}, {"attempts": True}, {"attempts": "3"}, {"attempts": 1.5},
            {"timeoutSeconds": 0}, {"timeoutSeconds": 10**9}, {"onFailure": "warn"}, {"indexUrl": "ftp://x"},
            {"indexUrl": "http://a b"}, {"indexUrl": "http://x\nno-index = 1"}, {"indexUrl": 7},
            {"extraIndexUrls": ["x"]}, {"extraIndexUrls": ["http://x http://y"]},
            {"extraIndexUrls": "http://x"}, {"trustedHosts": ["a b"]}, {"trustedHosts": ["a\nb"]},
            {"variables": ["A B"]}, {"variables": [7]},
            {"mode": "bucket"}, {"mode": "bucket", "bucket": []}, *(
                {"mode": "bucket", "bucket": {**bucket, name: value}}
                for name, value in (("name", ""), ("key", None), ("maxBytes", 0), ("maxBytes", "1"), ("credentials", 7))),
        ]
        texts = ["", "{", "[]", "null", "7", "[" * 50000, *(json.dumps({**good, **change}) for change in wrong)]
        texts += [json.dumps({name: value for name, value in good.items() if name != left_out})
                  for left_out in good if left_out not in ("indexUrl",)]
        environments = [self.environment(text, {}) for text in texts]
        environments.append(self.environment("", {}))
        del environments[-1]["KASPR_INSTALL"]
        for text, result in zip(texts + [None], self.many(environments)):
            with self.subTest(text=text and text[:500]):
                self.assertEqual((result["code"], result["started"]), (1, []))
                self.assertEqual((result["message"]["state"], result["message"]["error"]), ("Failed", "unknown"))
                self.assertRegex(result["message"]["message"], r"^KASPR_INSTALL is (missing|invalid: \w+ is )")
                self.assertEqual(result["output"].count("\n"), 1)

    def test_what_is_optional_may_be_absent_empty_or_null(self):
        good = self.spec(["alpha"])
        changes = [{}, *({name: value} for name in ("indexUrl", "extraIndexUrls", "trustedHosts", "variables", "bucket")
                         for value in (None, ""))]
        environments = [
            self.environment({**good, "set": f"set-{at}", **change}, {}) for at, change in enumerate(changes)]
        for change, result in zip(changes, self.many(environments)):
            with self.subTest(change=change):
                self.assertEqual(result["code"], 0, result["output"])


def stubborn(note):
    """A build that ignores SIGTERM and never ends; while it runs, the note is locked."""
    return f"""
import fcntl, os, signal, time
def get_requires_for_build_wheel(*_):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    file = open({str(note)!r} + ".new", "w")
    fcntl.flock(file, fcntl.LOCK_EX)
    os.rename(file.name, {str(note)!r})
    while True:
        time.sleep(60)
"""


def nosy():
    """A build that puts its environment into the wheel."""
    path = str(HERE / "index.py")
    return f"""
import importlib.util, os, sys
sys.dont_write_bytecode = True
spec = importlib.util.spec_from_file_location("index", {path!r})
index = importlib.util.module_from_spec(spec)
spec.loader.exec_module(index)
def get_requires_for_build_wheel(*_):
    return []
def build_wheel(directory, *_, **__):
    name = "nosy-1.0-py3-none-any.whl"
    with open(os.path.join(directory, name), "wb") as file:
        file.write(index.wheel("nosy", "1.0", {{"nosy.py": repr(dict(os.environ)) + "\\n"}}))
    return name
"""


def packed(files, *members):
    """An archive of files by name, and of members that are anything."""
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz") as archive:
        for name, data in files:
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o4775 if "bin" in name else 0o666
            archive.addfile(member, io.BytesIO(data))
        for member in members:
            archive.addfile(member)
    return body.getvalue()


def lock(file):
    """Whether the lock could be taken."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    unittest.main()
