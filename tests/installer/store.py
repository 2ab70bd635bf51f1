"""The part of Google Cloud Storage's JSON API that an installation uses, on this machine, and its token endpoint.

A bucket is there as soon as it is named. `faults` says by bucket what goes wrong there.
"""

import base64
import hashlib
import json
import shutil
import subprocess
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

EMAIL = "installer@project.iam.gserviceaccount.com"
SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class Store:
    """A running store; a context manager."""

    def __init__(self):
        self.objects = {}
        # By bucket. "token", "download", "upload": the status that is answered instead; "corrupt", "truncate", "hang",
        # "drip": what happens to downloads.
        self.faults = {}
        # Bucket and what was done there, in order: "token", "download", "upload".
        self.asked = []
        self.tokens = set()
        self.closing = threading.Event()

    def __enter__(self):
        if not shutil.which("openssl"):
            raise RuntimeError("these tests need the command openssl, and it is not in PATH")
        store = self
        self.directory = Path(tempfile.mkdtemp(prefix="store-"))
        openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", self.directory / "key")
        openssl("pkey", "-in", self.directory / "key", "-pubout", "-out", self.directory / "public")
        self.private_key = (self.directory / "key").read_text()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                store.answer(self, store.download)

            def do_POST(self):
                store.answer(self, store.token if self.path.startswith("/token/") else store.upload)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()
        shutil.rmtree(self.directory)

    @property
    def url(self):
        return "http://127.0.0.1:%d" % self.server.server_address[1]

    def credentials(self, bucket):
        """The path of a service account's file, whose tokens are asked for in the name of this bucket."""
        path = self.directory / f"{bucket}.json"
        path.write_text(json.dumps({
            "type": "service_account",
            "client_email": EMAIL,
            "private_key": self.private_key,
            "token_uri": f"{self.url}/token/{bucket}",
        }))
        return str(path)

    def fault(self, bucket, kind):
        return self.faults.get(bucket, {}).get(kind)

    def did(self, bucket):
        return [what for name, what in self.asked if name == bucket]

    def answer(self, request, respond):
        try:
            respond(request)
        except OSError:
            pass  # Whoever asked is gone.

    def token(self, request):
        bucket = request.path.rpartition("/")[2]
        self.asked.append((bucket, "token"))
        form = parse_qs(request.rfile.read(int(request.headers["Content-Length"])).decode())
        status = self.fault(bucket, "token")
        if status:
            return reply(request, status)
        problem = self.problem(form, f"{self.url}/token/{bucket}")
        if problem:
            return reply(request, 400, json.dumps({"error": problem}).encode())
        token = f"token-{len(self.tokens)}"
        self.tokens.add(token)
        return reply(request, 200, json.dumps({"access_token": token, "expires_in": 3599}).encode())

    def problem(self, form, audience):
        """What is wrong with a request for a token, or None."""
        if form.get("grant_type") != [GRANT]:
            return "grant_type"
        unsigned, _, signature = form["assertion"][0].rpartition(".")
        header, claims = (json.loads(decoded(part)) for part in unsigned.split("."))
        if header != {"alg": "RS256", "typ": "JWT"}:
            return "header"
        if (claims["iss"], claims["scope"], claims["aud"]) != (EMAIL, SCOPE, audience):
            return "claims"
        if not claims["iat"] - 60 <= time.time() <= claims["exp"] <= claims["iat"] + 3600:
            return "time"
        with tempfile.TemporaryDirectory() as directory:
            data, signed = Path(directory, "data"), Path(directory, "signature")
            data.write_text(unsigned)
            signed.write_bytes(decoded(signature))
            try:
                openssl("dgst", "-sha256", "-verify", self.directory / "public", "-signature", signed, data)
            except subprocess.CalledProcessError:
                return "signature"
        return None

    def is_known(self, request):
        return request.headers.get("Authorization", "").partition("Bearer ")[2] in self.tokens

    def download(self, request):
        url = urlsplit(request.path)
        bucket, _, key = url.path.partition("/storage/v1/b/")[2].partition("/o/")
        bucket, key = unquote(bucket), unquote(key)
        self.asked.append((bucket, "download"))
        status = self.fault(bucket, "download")
        if not status and not self.is_known(request):
            status = 401
        if not status and ((bucket, key) not in self.objects or url.query != "alt=media"):
            status = 404
        if status:
            return reply(request, status)
        if self.fault(bucket, "hang"):
            return self.closing.wait()
        body = self.objects[bucket, key]
        headers = {"x-goog-hash": f"crc32c=AAAAAA==,md5={base64.b64encode(hashlib.md5(body).digest()).decode()}"}
        if self.fault(bucket, "corrupt"):
            body = body[:-20] + bytes(255 - byte for byte in body[-20:])
        if self.fault(bucket, "drip"):
            return self.drip(request, body, headers)
        return reply(request, 200, body, headers, self.fault(bucket, "truncate"))

    def drip(self, request, body, headers):
        start(request, 200, len(body), headers)
        for byte in body:
            request.wfile.write(bytes([byte]))
            request.wfile.flush()
            if self.closing.wait(0.2):
                return

    def upload(self, request):
        url = urlsplit(request.path)
        bucket = unquote(url.path.partition("/upload/storage/v1/b/")[2].partition("/o")[0])
        query = parse_qs(url.query)
        self.asked.append((bucket, "upload"))
        body = request.rfile.read(int(request.headers["Content-Length"]))
        status = self.fault(bucket, "upload")
        if not status and not self.is_known(request):
            status = 401
        right = query.get("uploadType") == ["media"] and request.headers["Content-Type"] == "application/gzip"
        if not status and not right:
            status = 400
        if status:
            return reply(request, status)
        self.objects[bucket, query["name"][0]] = body
        return reply(request, 200, json.dumps({"name": query["name"][0]}).encode())


def start(request, status, length, headers):
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name, value)
    request.send_header("Content-Length", str(length))
    request.end_headers()


def reply(request, status, body=b"", headers=None, truncate=False):
    start(request, status, len(body), headers or {})
    request.wfile.write(body[:len(body) // 2] if truncate else body)


def decoded(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
