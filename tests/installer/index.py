"""A package index on this machine: the simple API over HTTP, with wheels that are made on the fly.

It remembers what it was asked and with which login, and it misbehaves on request.
"""

import base64
import hashlib
import html
import io
import tarfile
import threading
import zipfile
from collections import namedtuple
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Asked = namedtuple("Asked", "path authorization")


def wheel(name, version, modules, requires=()):
    """The bytes of a wheel with these modules, by path."""
    info = f"{name}-{version}.dist-info"
    metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
    metadata += [f"Requires-Dist: {requirement}" for requirement in requires]
    files = dict(modules)
    files[f"{info}/METADATA"] = "\n".join(metadata) + "\n"
    files[f"{info}/WHEEL"] = "Wheel-Version: 1.0\nGenerator: index\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = "".join(f"{path},{digest(text.encode())},{len(text.encode())}\n" for path, text in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return packed.getvalue()


def digest(data):
    """The digest of a file as a RECORD tells it."""
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")


def source(name, version, backend):
    """The bytes of a source distribution that is built by this code, without help from elsewhere."""
    files = {
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
        "backend.py": backend,
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
    }
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for path, text in files.items():
            member = tarfile.TarInfo(f"{name}-{version}/{path}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return packed.getvalue()


class Index:
    """A running index; a context manager."""

    def __init__(self, login=None):
        # User and password that are demanded, or None.
        self.login = login
        # Answered to everything in place of what was asked for, or None.
        self.status = None
        # How many of the next pages get `failure` for an answer.
        self.failures = 0
        self.failure = 404
        # What downloads hold more than they should, so that no digest fits.
        self.noise = b""
        # Seconds before each answer.
        self.delay = 0
        # While it is clear, nothing is answered.
        self.going = threading.Event()
        self.going.set()
        self.asked = []
        self.files = {}
        self.closing = threading.Event()

    def __enter__(self):
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                index.answer(self)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.closing.set()
        self.going.set()
        self.server.shutdown()
        self.server.server_close()

    @property
    def host(self):
        return "127.0.0.1:%d" % self.server.server_address[1]

    @property
    def url(self):
        return f"http://{self.host}/simple"

    def add(self, name, version, modules=None, requires=()):
        """Offers a wheel; without modules it holds one that tells its version."""
        modules = modules or {f"{name}.py": f"__version__ = {version!r}\n"}
        self.files[f"{name}-{version}-py3-none-any.whl"] = wheel(name, version, modules, requires)

    def add_source(self, name, version, backend):
        """Offers a source distribution."""
        self.files[f"{name}-{version}.tar.gz"] = source(name, version, backend)

    def authorizations(self):
        """The logins that came with any request, each once."""
        return {asked.authorization for asked in self.asked}

    def answer(self, request):
        authorization = request.headers.get("Authorization")
        self.asked.append(Asked(request.path, authorization))
        self.going.wait()
        if self.delay:
            self.closing.wait(self.delay)
        status, body = self.respond(request.path, authorization)
        request.send_response(status)
        if status == 401:
            request.send_header("WWW-Authenticate", 'Basic realm="index"')
        is_page = request.path.startswith("/simple/")
        request.send_header("Content-Type", "text/html" if is_page else "application/octet-stream")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        try:
            request.wfile.write(body)
        except OSError:
            pass  # Whoever asked is gone.

    def respond(self, path, authorization):
        if self.login and authorization != basic(*self.login):
            return 401, b""
        if self.status:
            return self.status, b""
        if self.failures:
            self.failures -= 1
            return self.failure, b""
        kind, _, name = path.strip("/").partition("/")
        if kind == "files" and name in self.files:
            return 200, self.files[name] + self.noise
        if kind == "simple":
            return self.page(name)
        return 404, b""

    def page(self, project):
        found = [name for name in self.files if name.split("-")[0].lower() == project.lower().replace("-", "_")]
        links = (
            f'<a href="/files/{html.escape(name)}#sha256={hashlib.sha256(self.files[name]).hexdigest()}">{name}</a><br>'
            for name in found
        )
        body = "<!DOCTYPE html><html><body>" + "".join(links) + "</body></html>"
        return (200, body.encode()) if found else (404, b"")


def basic(user, password):
    """The Authorization header of a login, in UTF-8."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
