"""Mirrors on loopback: one nginx with one worker and sendfile, http and https of
a throw-away authority, each server on a port of its own that the kernel chose.
"""
import os
import signal
import socket
import subprocess
import time

SO_MAX_PACING_RATE = 47

CONF = """
daemon off; worker_processes 1; pid {own}/pid; error_log {own}/error.log;
{user}
events {{ worker_connections 512; }}
http {{
    default_type application/octet-stream; sendfile on; tcp_nopush on; access_log off; root {root};
    log_format asked '$uri $status $body_bytes_sent $http_range';
    client_body_temp_path {own}/body; proxy_temp_path {own}/proxy; fastcgi_temp_path {own}/fastcgi;
    uwsgi_temp_path {own}/uwsgi; scgi_temp_path {own}/scgi;
    ssl_certificate {own}/server.crt; ssl_certificate_key {own}/server.key; ssl_protocols TLSv1.2 TLSv1.3;
    server {{ listen {http}; }}
    server {{ listen {https} ssl; }}
    server {{ listen {paced}; }}
    server {{ listen {logged}; access_log {own}/access.log asked; }}
}}
"""


def certificate(own):
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, cwd=own, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *key, "-days", "2", "-subj", "/CN=bench", "-keyout", "ca.key", "-out", "ca.crt")
    openssl("req", *key, "-subj", "/CN=127.0.0.1", "-keyout", "server.key", "-out", "server.csr")
    with open(f"{own}/server.ext", "w") as f:
        f.write("subjectAltName=IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", "server.ext", "-out", "server.crt")


class Mirrors:
    """http, https, paced (@rate bytes a second for each connection) and logged are "scheme://address:port"."""

    def __init__(self, own, root, rate):
        os.makedirs(own, exist_ok=True)
        certificate(own)
        self.own, self.ca, self.log = own, f"{own}/ca.crt", f"{own}/access.log"
        sockets = {}
        for name in "http", "https", "paced", "logged":
            sockets[name] = socket.socket()
            sockets[name].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if name == "paced":  # nginx's limit_rate counts in seconds and lets short answers through
                sockets[name].setsockopt(socket.SOL_SOCKET, SO_MAX_PACING_RATE, rate)
            sockets[name].bind(("127.0.0.1", 0))
            sockets[name].listen(128)
            address = "127.0.0.1:%d" % sockets[name].getsockname()[1]
            setattr(self, name, ("https://" if name == "https" else "http://") + address)
        with open(f"{own}/nginx.conf", "w") as f:
            ports = {name: getattr(self, name).partition("//")[2] for name in sockets}
            f.write(CONF.format(own=own, root=root, user="user root;" if os.getuid() == 0 else "", **ports))
        fds = [s.fileno() for s in sockets.values()]
        self.nginx = subprocess.Popen(
            ["nginx", "-c", f"{own}/nginx.conf", "-p", own], pass_fds=fds, stderr=subprocess.DEVNULL,
            env={**os.environ, "NGINX": "".join(f"{fd};" for fd in fds)},
        )
        for s in sockets.values():
            s.close()
        self.wait()

    def wait(self):
        end = time.monotonic() + 10
        while not self.workers():
            if self.nginx.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"nginx does not start: see {self.own}/error.log")
            time.sleep(0.05)

    def workers(self):
        with open(f"/proc/{self.nginx.pid}/task/{self.nginx.pid}/children") as f:
            return f.read().split()

    def cpu(self):
        """Seconds that the server has used until now."""
        ticks = 0
        for pid in self.workers():
            with open(f"/proc/{pid}/stat") as f:
                fields = f.read().rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def sent(self, name):
        """Body bytes that went out for paths with @name at the logged mirror since the log was emptied."""
        with open(self.log) as f:
            return sum(int(line.split()[2]) for line in f if name in line.split()[0])

    def forget(self):
        os.truncate(self.log, 0)

    def stop(self):
        if self.nginx.poll() is None:
            self.nginx.send_signal(signal.SIGTERM)
            self.nginx.wait()
