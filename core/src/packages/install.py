"""Installs an app's Python packages before its worker starts.

Runs as text in an init container: `python -I -c <this>`, with what to do in KASPR_INSTALL, and only the standard
library. A set of packages is made beside its place and moved there in one step, so that nobody sees half of it.
Kubernetes expands a dollar sign before a parenthesis and halves a double one: here is neither.
"""

import base64, collections, datetime, errno, fcntl, gzip, hashlib, json, os, platform, re, shutil, signal
import subprocess, sys, tarfile, tempfile, threading, time
from contextlib import suppress
from os.path import join
from urllib.parse import quote, unquote, urlencode, urlsplit

MARKER, DAY, CHUNK = ".installed.json", 86400, 65536
PYTHON, MACHINE, HOST = "%d.%d" % sys.version_info[:2], platform.machine(), platform.node()
SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
SECRETS = {r"(?<=://)[^\s/]+(?=@)"}

TEXT, URL, COUNT = r"[ -~]+", r"https?://[!-~]+", r"[1-9][0-9]{0,5}"
SPEC = {
    "packages": (list, r"(?s).*"), "hash": (str, r"[0-9a-f]{16}"), "set": (str, r"[A-Za-z0-9][\w.-]{0,99}"),
    "root": (str, r"/[ -~]*"), "mode": (str, r"ephemeral|shared|bucket"), "attempts": (int, COUNT),
    "timeoutSeconds": (int, COUNT), "onFailure": (str, r"block|allow"), "variables": (list, r"\w+"),
    "indexUrl": (str, URL), "extraIndexUrls": (list, URL), "trustedHosts": (list, r"[!-~]+"),
}
OPTIONAL = ("variables", "indexUrl", "extraIndexUrls", "trustedHosts")
BUCKET = {"name": (str, TEXT), "key": (str, TEXT), "credentials": (str, TEXT), "maxBytes": (int, r"[1-9][0-9]*")}

# By what pip says. In this order: it ends with "No matching distribution" even if an index could not be reached, or
# refused the login.
FAILURES = {
    "disk_full": r"No space left on device|Disk quota exceeded",
    "hash_mismatch": r"THESE PACKAGES DO NOT MATCH THE HASHES",
    "invalid_package": r"^ERROR: Invalid requirement|\.InvalidMarker: ",
    "authentication": r"\b40[137] (Client )?Error|HTTP error 40[13]|returned error: 40[13]|407 Proxy"
                      r"|Permission denied \(|Authentication failed|could not read Username|Host key verification",
    "network": r"NewConnectionError|Failed to establish|ConnectTimeoutError|ReadTimeoutError|in name resolution"
               r"|Max retries exceeded|Connection (refused|reset|timed out)|\b5\d\d Server Error|HTTP error 5\d\d"
               r"|SSLError|the ssl certificate|Could not resolve host|Failed to connect|not a trusted or secure host",
    "package_not_found": r"No matching distribution|Could not find a version|HTTP error 404|[Rr]epository .*not found",
    "build_failed": r"did not run successfully|Failed building wheel|Failed to build",
}


class Failure(Exception):
    """A word for programs, a sentence for people."""


def main():
    os.umask(0o022)
    sys.stdout.reconfigure(errors="backslashreplace")
    signal.signal(signal.SIGTERM, terminated)
    report = {"state": "Failed", "source": "pip", "attempts": 0, "installedBy": HOST, "pythonVersion": PYTHON}
    started, policy = time.monotonic(), "block"
    try:
        learn(os.environ.get("PYPI_PASSWORD", ""))
        spec = read(os.environ.get("KASPR_INSTALL"))
        policy = spec["onFailure"]
        report.update(hash=spec["hash"], packages=len(spec["packages"]))
        learn(*(value for value in map(os.environ.get, spec["variables"]) if value and len(value) >= 4))
        report["source"], marker = install(spec, report)
        report.update(state="Installed", installTime=marker.get("install_time"), duration=marker.get("duration"),
                      installedBy=marker.get("pod_name"))
    except Exception as error:
        full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
        report["error"], report["message"] = words(error, "disk_full" if full else "unknown")
        report["duration"] = "%ds" % (time.monotonic() - started)
        say(f"failed ({report['error']}): {report['message']}")
    tell(report)
    sys.exit(0 if report["state"] == "Installed" or policy == "allow" else 1)


def terminated(*_):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # A second one must not disturb the cleaning up.
    sys.exit(143)


def words(error, word):
    return error.args if isinstance(error, Failure) else (word, str(error) or type(error).__name__)


def read(text):
    try:
        spec = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        spec = None
    if not isinstance(spec, dict):
        raise Failure("unknown", "KASPR_INSTALL is missing, or is no JSON object")
    check(spec, SPEC)
    if spec["mode"] == "bucket":
        check(spec["bucket"] if isinstance(spec.get("bucket"), dict) else {}, BUCKET)
    return spec


def check(values, shapes):
    for name, (kind, pattern) in shapes.items():
        value = values.get(name)
        if not value and name in OPTIONAL:
            values[name] = kind()
            continue
        items, item = (value, str) if kind is list else ([value], kind)
        if type(value) is not kind or not items or not all(
                type(each) is item and re.fullmatch(pattern, str(each), re.ASCII) for each in items):
            raise Failure("unknown", f"KASPR_INSTALL is invalid: {name} is {value!r}")


def install(spec, report):
    """Sees to it that the set is there; where it is from, and its marker."""
    root, target, mode = spec["root"], join(spec["root"], spec["set"]), spec["mode"]
    os.makedirs(root, exist_ok=True)
    marker = usable(target)
    if not marker and mode == "shared":
        lock = take_lock(spec)  # Held for as long as this name is there.
        marker = usable(target)
    if marker:
        return "kept", marker
    sweep(root)
    started = time.monotonic()
    private, fresh = tempfile.mkdtemp(prefix="kaspr-"), tempfile.mkdtemp(prefix=f".tmp-{HOST}-", dir=root)
    try:
        source = "bucket" if mode == "bucket" and restore(spec, private, fresh) else "pip"
        if source == "pip":
            run_pip(spec, private, fresh, report)
        marker = mark(spec, fresh, time.monotonic() - started)
        found = place(fresh, target) or marker
        if mode == "bucket" and source == "pip":
            upload(spec, private, target)
    finally:
        for directory in (private, fresh):
            shutil.rmtree(directory, ignore_errors=True)
    with suppress(OSError):
        if mode == "shared":
            retire(root, spec["set"])
        sweep(root)
    return source if found is marker else "kept", found


def usable(target):
    """The marker of a finished set for this Python on this machine, or None."""
    path = join(target, MARKER)
    with suppress(OSError, ValueError, KeyError, TypeError):
        with open(path, encoding="utf-8") as file:
            marker = json.load(file)
        if (marker["python_version"], marker["machine"]) == (PYTHON, MACHINE):
            say(f"{target} is there, installed by {marker['pod_name']}")
            with suppress(OSError):
                os.utime(path)  # For retire(): it is in use.
            return marker
    return None


def mark(spec, fresh, seconds):
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="microseconds")
    marker = {"packages": spec["packages"], "python_version": PYTHON, "install_time": now, "duration": "%ds" % seconds,
              "pod_name": HOST, "hash": spec["hash"], "machine": MACHINE}
    with open(join(fresh, MARKER), "w", encoding="utf-8") as file:
        json.dump(marker, file)
    return marker


def place(fresh, target):
    """Moves a finished set into place; the marker of one that came first, if so."""
    os.chmod(fresh, 0o755)
    while True:
        try:
            return os.rename(fresh, target)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        theirs = usable(target)
        if theirs:
            return theirs
        put_aside(target)


def put_aside(path):
    os.rename(path, tempfile.mkdtemp(prefix=".old-", dir=os.path.dirname(path)))


def retire(root, current):
    """Puts old sets aside. What stays: the current one, the newest three others, all that were used within a week."""
    others = [join(entry.path, MARKER) for entry in os.scandir(root)
              if entry.is_dir(follow_symlinks=False) and entry.name[0] != "." and entry.name != current]
    for used, path in sorted((os.path.getmtime(path), path) for path in others if os.path.isfile(path))[:-3]:
        if time.time() - used > 7 * DAY:
            put_aside(os.path.dirname(path))


def sweep(root):
    """Removes what was put aside, and what killed installations have left."""
    for entry in list(os.scandir(root)):
        with suppress(FileNotFoundError):
            name, age = entry.name, time.time() - entry.stat(follow_symlinks=False).st_mtime
            gone = name[:5] == ".old-" or name[:-8] == f".tmp-{HOST}-" or name[:5] == ".tmp-" and age > DAY
            if gone and entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)


def take_lock(spec):
    """The lock of a shared directory. It goes with its holder, so its file is never removed."""
    file, start, told = None, time.monotonic(), 0
    limit = spec["attempts"] * (spec["timeoutSeconds"] + 5) + 60
    while True:
        try:
            file = file or open(join(spec["root"], ".install.lock"), "a+", errors="replace")
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.truncate(0)
            file.write(HOST)
            file.flush()
            return file
        except BlockingIOError:
            waited = time.monotonic() - start
        except OSError as error:
            # At worst two pods do the same work: a set is moved into place in one step all the same.
            say(f"going on without a lock, which is not to be had here: {error}")
            return file
        file.seek(0)
        holder = file.read(100) or "another pod"
        if waited > limit:
            raise Failure("timeout", f"{holder} held the lock for more than {limit} s")
        if waited >= told:
            say(f"waiting for {holder}, which is installing")
            told += 60
        time.sleep(1)


def run_pip(spec, private, fresh, report):
    file, config, scratch = (join(private, name) for name in ("requirements.txt", "pip.conf", "tmp"))
    lines, hidden = requirements(spec)
    # The mark in front keeps pip from guessing an encoding, in which a letter may become a line break.
    write(file, "\ufeff" + "\n".join(lines) + "\n")
    write(config, configuration(spec, scratch))
    # pip shall know nothing secret, nothing that sets pip or Python, and nothing that it would expand.
    env = {name: value for name, value in os.environ.items()
           if name not in hidden and (name == "PIP_CERT" or not name.startswith(("PIP_", "PYTHON")))}
    env.update(PIP_CONFIG_FILE=config, TMPDIR=scratch)
    argv = [sys.executable, "-m", "pip", "install", "--no-input", "--disable-pip-version-check",
            "--no-warn-script-location", "--no-cache-dir", "--target", fresh, "--requirement", file]
    for attempt in range(1, spec["attempts"] + 1):
        report["attempts"] = attempt
        for directory in (fresh, scratch):
            shutil.rmtree(directory, ignore_errors=True)
            os.makedirs(directory, exist_ok=True)
        say(f"attempt {attempt} of {spec['attempts']}")
        failure = run_once(argv, env, scratch, spec["timeoutSeconds"])
        if not failure:
            return
        if attempt == spec["attempts"] or failure[0] == "invalid_package":
            raise Failure(*failure)
        say("attempt %d failed (%s): %s" % (attempt, *failure))
        time.sleep(float(os.environ.get("KASPR_PAUSE", 5)))


def requirements(spec):
    """A line for each package, with variables expanded, and the names that pip must not know."""
    hidden = {"KASPR_INSTALL", "PYPI_USERNAME", "PYPI_PASSWORD"}

    def value(match):
        name = match[1] or match[2]
        if name not in spec["variables"] or name not in os.environ:
            return match[0]
        hidden.add(name)
        return os.environ[name]

    reference = re.compile(r"[$](?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))", re.ASCII)
    lines = [reference.sub(value, text) for text in spec["packages"]]
    for text, line in zip(spec["packages"], lines):
        left = set(re.findall(r"[$]\{([A-Z0-9_]+)\}", line))
        # To pip, all this would be more than one requirement.
        if (not line.strip() or not (text + line).isprintable() or re.search(r"(^| )[-#]", line) or line.endswith("\\")
                or left & {"PIP_CONFIG_FILE", "TMPDIR"}):
            raise Failure("invalid_package", f"not a package: {text[:100]!r}")
        hidden |= left
    return lines, hidden


def configuration(spec, scratch):
    url, login = spec["indexUrl"], [os.environ.get(name, "") for name in ("PYPI_USERNAME", "PYPI_PASSWORD")]
    if url and any(login):
        parts = urlsplit(url)
        # pip sends logins in Latin-1, and fails at what that does not have: a text whose Latin-1 is UTF-8.
        login = [quote(text.encode("utf-8", "surrogateescape").decode("latin-1"), safe="") for text in login]
        url = parts._replace(netloc=":".join(login) + "@" + parts.netloc.rpartition("@")[2]).geturl()
    # Only the log says that an index has refused a login.
    options = {"log": join(scratch, "log"), "keyring-provider": "disabled", "index-url": url,
               "extra-index-url": " ".join(spec["extraIndexUrls"]), "trusted-host": " ".join(spec["trustedHosts"])}
    return "[global]\n" + "".join(f"{name} = {value}\n" for name, value in options.items() if value)


def run_once(argv, env, scratch, seconds):
    """Runs pip; a word and a sentence why it failed, or None."""
    process = subprocess.Popen(
        argv, env=env, cwd=scratch, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        encoding="utf-8", errors="replace", start_new_session=True)
    lines = collections.deque(maxlen=1000)
    reader = threading.Thread(target=relay, args=(process.stdout, lines), daemon=True)
    reader.start()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return "timeout", f"pip did not end within {seconds} s"
    finally:
        stop(process)
        reader.join(5)
    return classify(list(lines), join(scratch, "log"), process.returncode) if process.returncode else None


def relay(stream, lines):
    for line in stream:
        lines.append(line.strip())
        say(line.rstrip())


def stop(process):
    """Ends pip, and all that it has started."""
    with suppress(ProcessLookupError, subprocess.TimeoutExpired):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(10)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def classify(lines, log, code):
    with suppress(OSError), open(log, encoding="utf-8", errors="replace") as file:
        logged = (re.sub(r"^\d{4}-\S+ ", "", line).strip() for line in file)
        lines += [line for line in logged if any(re.search(pattern, line) for pattern in FAILURES.values())]
    noise = ("WARNING: Retrying", "WARNING: Running", "[notice]")
    lines = [line for line in lines if line and not line.startswith(noise)]
    for word, pattern in FAILURES.items():
        telling = sorted((line for line in lines if re.search(pattern, line)), key=lambda line: line[:5] == "ERROR")
        if telling:
            return word, telling[-1]
    if code < 0:
        return "unknown", f"pip was ended by signal {-code}; 9 mostly means too little memory"
    errors = [line for line in lines if line.startswith("ERROR: ") and line != "ERROR: Exception:"]
    return "unknown", (errors[:1] or lines[-1:] or [f"pip ended with exit code {code}"])[0]


def restore(spec, private, fresh):
    """Whether the set came from the bucket. Why not is only logged: there is pip."""
    path, word = join(private, "archive"), "authentication"
    try:
        headers, word = login(spec, private), "network"
        download(spec, headers, path)
        word = "corrupt"
        extract(path, fresh)
        return True
    except Exception as error:
        say("nothing from the bucket (%s): %s" % words(error, word))


def upload(spec, private, target):
    """Leaves an archive for other pods. Why not is only logged."""
    path = join(private, "archive")
    try:
        with tarfile.open(path, "w:gz", compresslevel=6, dereference=True) as archive:
            for name in sorted(set(os.listdir(target)) - {MARKER}):
                archive.add(join(target, name), name)
        size, limit = os.path.getsize(path), spec["bucket"]["maxBytes"]
        if size > limit:
            raise Failure("too_large", f"{size} bytes, more than {limit}")
        headers = {**login(spec, private), "Content-Type": "application/gzip", "Content-Length": str(size)}
        with open(path, "rb") as file:
            ask(spec, object_url(spec, "/upload/storage/v1/b/{}/o?uploadType=media&name={}"), headers, file).close()
        say(f"left {size} bytes in the bucket")
    except Exception as error:
        say("nothing left in the bucket (%s): %s" % words(error, "network"))


def download(spec, headers, path):
    deadline, size, md5 = time.monotonic() + spec["timeoutSeconds"], 0, hashlib.md5(usedforsecurity=False)
    url = object_url(spec, "/storage/v1/b/{}/o/{}?alt=media")
    with ask(spec, url, headers) as response, open(path, "wb") as file:
        for chunk in iter(lambda: response.read1(CHUNK), b""):
            if time.monotonic() > deadline:
                raise TimeoutError(f"not done within {spec['timeoutSeconds']} s")
            md5.update(chunk)
            size += file.write(chunk)
    told = re.search(r"\bmd5=([\w+/=]+)", ",".join(response.headers.get_all("x-goog-hash", [])))
    if size != int(response.headers.get("Content-Length", size)):
        raise Failure("corrupt", f"only {size} bytes came")
    if told and told[1] != base64.b64encode(md5.digest()).decode():
        raise Failure("corrupt", "the MD5 is not what the bucket tells")


def extract(path, directory):
    """Unpacks files and directories; anything else in an archive, or a way out, makes it corrupt."""
    options = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    with gzip.open(path) as file:
        with tarfile.open(fileobj=file, mode="r|") as archive:
            for member in archive:
                name = os.path.normpath(member.name)
                if not (member.isfile() or member.isdir()) or name[0] == "/" or ".." in member.name.split("/"):
                    raise ValueError(f"it holds {member.name!r}")
                if name.split("/")[0] not in (".", MARKER):
                    member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
                    archive.extract(member, directory, **options)
        while file.read(CHUNK):  # The checksum is at the end.
            pass
    if not os.listdir(directory):
        raise ValueError("it is empty")


def object_url(spec, path):
    base = os.environ.get("STORAGE_EMULATOR_HOST") or "https://storage.googleapis.com"
    # Archives for x86_64 are called what they always were; another machine must not take them for its own.
    suffix = f"-py{PYTHON}.tar.gz" if MACHINE == "x86_64" else f"-py{PYTHON}-{MACHINE}.tar.gz"
    key = re.sub(r"(\.tar\.gz)?\Z", "", spec["bucket"]["key"], count=1) + suffix
    return base.rstrip("/") + path.format(quote(spec["bucket"]["name"], safe=""), quote(key, safe=""))


def login(spec, private):
    """A header with a token for the service account."""
    with open(spec["bucket"]["credentials"], encoding="utf-8") as file:
        account = json.load(file)
    key, uri = account["private_key"], account.get("token_uri") or "https://oauth2.googleapis.com/token"
    learn(*key.splitlines())
    now, path = int(time.time()), join(private, "unsigned")
    claims = {"iss": account["client_email"], "scope": SCOPE, "aud": uri, "iat": now, "exp": now + 3600}
    unsigned = encoded(b'{"alg":"RS256","typ":"JWT"}') + "." + encoded(json.dumps(claims).encode())
    write(path, unsigned)
    # The key takes the standard input, so that it is on no disk.
    signed = subprocess.run(["openssl", "dgst", "-sha256", "-sign", "/dev/stdin", path], input=key.encode(), timeout=30,
                            capture_output=True)
    if signed.returncode:
        raise Failure("authentication", "openssl cannot sign with the service account's key")
    grant = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
             "assertion": f"{unsigned}.{encoded(signed.stdout)}"}
    with ask(spec, uri, {}, urlencode(grant).encode()) as response:
        return {"Authorization": "Bearer " + json.load(response)["access_token"]}


def encoded(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def ask(spec, url, headers, data=None):
    from urllib.request import Request, urlopen  # Here, as it takes as long as all else, and is seldom needed.

    request = Request(url, data)
    for name, value in headers.items():
        request.add_unredirected_header(name, value)
    try:
        return urlopen(request, timeout=min(30, spec["timeoutSeconds"]))
    except OSError as error:
        word = {400: "authentication", 401: "authentication", 403: "authentication", 404: "miss"}
        raise Failure(word.get(getattr(error, "code", None), "network"), f"{request.host}: {error}")


def write(path, text):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def learn(*secrets):
    """Makes redact() know texts and their parts, with any of their letters percent-encoded or decoded."""
    for secret in filter(None, secrets):
        parts = (part for part in re.split("[/?#@:]", secret) if len(part) >= 4)
        for text in filter(None, {secret, secret.strip(), unquote(secret), *parts}):
            codes = ("".join(f"%{byte:02x}" for byte in letter.encode("utf-8", "surrogateescape")) for letter in text)
            SECRETS.add("".join(f"(?:{re.escape(letter)}|(?i:{code}))" for letter, code in zip(text, codes)))


def redact(text):
    return re.sub("|".join(sorted(SECRETS, key=len, reverse=True)), "***", text)


def say(text):
    print(redact(text), flush=True)


def tell(report):
    """Writes the termination message, of which Kubernetes keeps 4096 bytes."""
    for name, value in report.items():
        if type(value) is not int:
            text = "".join(letter for letter in redact(str(value)) if letter.isprintable())
            report[name] = text[:500 if name == "message" else 64]
    path = os.environ.get("KASPR_TERMINATION_LOG", "/dev/termination-log")
    with suppress(OSError), open(path, "w", encoding="utf-8") as file:
        json.dump(report, file, ensure_ascii=False)


if __name__ == "__main__":
    main()
