#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A server for tests/fetch.sh on a free port of this machine, which is written to the file PORT; every request goes as a line to LOG.

    fetch_server.py PORT LOG

The first part of a path says how it misbehaves, the last is the name of the file: abc.bin is three bytes, pattern.bin a
megabyte whose bytes count from 0 to 250.
"""
import http.server
import os
import re
import sys

FILES = {"abc.bin": b"abc", "pattern.bin": bytes(i % 251 for i in range(1 << 20))}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", headers=(), length=True, cut=None):
        """cut: how many bytes of the body are sent before the connection is closed."""
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if cut is None else body[:cut])
        if cut is not None or not length:
            self.close_connection = True

    def do_GET(self):
        wanted = self.headers.get("Range")
        with open(sys.argv[2], "a") as log:
            print(self.path, wanted or "-", file=log)
        how, name = self.path.split("?")[0].split("/")[-2:]
        body = FILES.get(name)
        if how == "missing" or body is None:
            return self.answer(404, b"nothing of the kind")
        if how == "broken":
            return self.answer(500, b"a page that is not the file")
        if how == "loop":
            return self.answer(302, headers=[("Location", f"/loop/{name}")])
        if how == "moved":
            return self.answer(301, b"it is elsewhere", [("Location", f"/plain/{name}")])
        if how == "file":
            return self.answer(302, headers=[("Location", "file:///etc/hostname")])
        if how == "gibberish":
            self.close_connection = True
            return self.wfile.write(b"SSH-2.0-something else\r\n")
        if how == "lengthless":
            return self.answer(200, body, length=False)
        if how == "endless":
            return self.answer(200, body, [("Content-Length", str(1 << 60))], length=False)
        if how == "empty":
            return self.answer(200)
        if how == "other":
            body = bytes(255 - b for b in body)
        part = re.fullmatch(r"bytes=(\d+)-", wanted or "")
        if not part or how == "norange":
            return self.answer(200, body, cut=len(body) // 2 if how == "cut" else None)
        first = int(part[1])
        if first >= len(body):
            return self.answer(416, b"no such part", [("Content-Range", f"bytes */{len(body)}")])
        if how == "elsewhere":
            first //= 2
        return self.answer(206, body[first:], [("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")],
                           cut=1000 if how == "cut" else None)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open(sys.argv[1] + ".new", "w") as out:
    print(server.server_address[1], file=out)
os.rename(sys.argv[1] + ".new", sys.argv[1])
server.serve_forever()
