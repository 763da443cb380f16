"""Serves the scoreboard to this machine's browser: three pages to read, and nothing else.

`ck start web` would do for the pages too, but it runs any CK action for whoever reaches its port, other people's web
pages included.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

OWN_NAMES = ("localhost", "127.0.0.1", "[::1]")
LONGEST_QUERY = 4000
TIMEOUT_S = 20
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def server(host, port, answers):
    """A server that is bound and not running yet.

    Args:
        host: name or address to listen on.
        port: 0 takes a free one.
        answers: path -> function of the query (a dictionary), giving a media type and the text of a page.

    Raises:
        OSError: the port is taken, or the host is not this machine.
    """
    lock = threading.Lock()  # the kernel of CK keeps caches and is not made for threads

    class Handler(BaseHTTPRequestHandler):
        timeout = TIMEOUT_S
        server_version = "request-asplos18"
        sys_version = ""

        def do_GET(self):
            parts = urlsplit(self.path)
            if host in OWN_NAMES and self.headers.get("Host", "").rpartition(":")[0] not in OWN_NAMES:
                self._send(403, "text/plain", "This server answers to localhost only.\n")  # rebound names
            elif parts.path not in answers or len(parts.query) > LONGEST_QUERY:
                self._send(404, "text/plain", "There is no such page.\n")
            else:
                with lock:
                    kind, text = answers[parts.path](dict(parse_qsl(parts.query, max_num_fields=100)))
                self._send(200, kind, text)

        do_HEAD = do_GET

        def _send(self, code, kind, text):
            body = text.encode("utf-8", "replace")
            self.send_response(code)
            for name, value in {**HEADERS, "Content-Type": kind + "; charset=utf-8"}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, format, *args):
            """Requests are not news."""

    made = ThreadingHTTPServer((host, port), Handler)
    made.daemon_threads = True
    return made


def json_page(document):
    """A media type and a text for `server`."""
    return "application/json", json.dumps(document, indent=2, sort_keys=True) + "\n"
