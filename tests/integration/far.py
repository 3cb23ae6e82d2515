"""tests/integration/far.py - a VM of run-sim in a network namespace of its own, so that whoever talks to it comes from
elsewhere; certificates for it. What it was called with is the caller's sys.argv. Needs root.
"""
import contextlib
import http.client
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

# Addresses as if nobody else were here.
if os.environ.get("BULKHEAD_TEST_ALONE") != "1":
    os.environ["BULKHEAD_TEST_ALONE"] = "1"
    os.execvp("unshare", ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *sys.argv])

RUN_SIM, BULKHEAD, INIT, WORKERS, SIMULATOR = sys.argv[1:6]
HOST, NEAR, PORT = "10.77.0.1", "10.77.0.2", 7443
ROLES = ["viewer", "operator", "debugger"]
SOON_S = 15

failed = []


def check(name, good, more=""):
    print(("ok " if good else "not ok ") + name + ("" if good or not more else f" # {more}"), flush=True)
    if not good:
        failed.append(name)


def run(*words, **more):
    return subprocess.run([str(w) for w in words], check=True, capture_output=True, text=True, **more).stdout


# --- certificates --------------------------------------------------------------------------------


class Pki:
    """What `bulkhead pki` makes, and by openssl what it would not."""

    def __init__(self, folder):
        self.dir = folder
        run(BULKHEAD, "pki", "init", "--dir", folder, "--host", HOST)
        for role in ROLES:
            run(BULKHEAD, "pki", "issue", "--dir", folder, "--role", role, role)
        run(BULKHEAD, "pki", "issue", "--dir", folder, "--role", "debugger", "gone")
        run(BULKHEAD, "pki", "revoke", "--dir", folder, "gone")
        self.sign("roleless", "subjectAltName=DNS:laptop")
        self.sign("greedy", "subjectAltName=URI:urn:bulkhead:role:viewer,URI:urn:bulkhead:role:debugger")
        self.sign("expired", "subjectAltName=URI:urn:bulkhead:role:debugger", days=-1)
        self.sign("server-like", "subjectAltName=URI:urn:bulkhead:role:debugger\nextendedKeyUsage=serverAuth")
        self.stranger()

    def sign(self, name, extensions, days=1, ca="ca"):
        path = lambda what: f"{self.dir}/{what}"
        run("openssl", "ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", path(f"{name}-key.pem"))
        request = run("openssl", "req", "-new", "-key", path(f"{name}-key.pem"), "-subj", f"/CN={name}")
        pathlib.Path(path("extensions")).write_text(extensions + "\n")
        run("openssl", "x509", "-req", "-CA", path(f"{ca}.pem"), "-CAkey", path(f"{ca}-key.pem"), "-days", str(days),
            "-set_serial", "0x" + os.urandom(8).hex(), "-extfile", path("extensions"), "-out", path(f"{name}.pem"),
            input=request)

    def brief(self, name, seconds):
        """A debugger's that expires so soon."""
        path = lambda what: f"{self.dir}/{what}"
        config = pathlib.Path(path("brief"))
        config.write_text(f"[ca]\ndefault_ca = d\n[d]\ndatabase = {path('brief-index')}\nnew_certs_dir = {self.dir}\nrand_serial = yes\n"
                          "default_md = sha256\npolicy = p\nx509_extensions = e\n[p]\ncommonName = supplied\n"
                          "[e]\nsubjectAltName = URI:urn:bulkhead:role:debugger\n")
        pathlib.Path(path("brief-index")).write_text("")
        request = run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
                      path(f"{name}-key.pem"), "-subj", f"/CN={name}")
        run("openssl", "ca", "-batch", "-notext", "-config", config, "-cert", path("ca.pem"), "-keyfile", path("ca-key.pem"), "-in", "/dev/stdin",
            "-enddate", time.strftime("%y%m%d%H%M%SZ", time.gmtime(time.time() + seconds)), "-out", path(f"{name}.pem"), input=request)

    def stranger(self):
        """An authority of the same name that is not ours, and its debugger."""
        subject = run("openssl", "x509", "-noout", "-subject", "-nameopt", "compat", "-in", f"{self.dir}/ca.pem")
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
            "-subj", subject.split("=", 1)[1].strip() if subject.startswith("subject=/") else
            "/" + subject.split("=", 1)[1].strip().replace(", ", "/"),
            "-keyout", f"{self.dir}/other-key.pem", "-out", f"{self.dir}/other.pem")
        self.sign("stranger", "subjectAltName=URI:urn:bulkhead:role:debugger", ca="other")

    def other_list(self):
        """A list of that one's, with a number higher than any."""
        path = lambda what: f"{self.dir}/other-ca/{what}"
        os.makedirs(path(""), exist_ok=True)
        pathlib.Path(path("config")).write_text(f"[ca]\ndefault_ca = d\n[d]\ndatabase = {path('index')}\ncrlnumber = {path('number')}\n"
                                                "default_md = sha256\ndefault_crl_days = 9\n")
        pathlib.Path(path("index")).write_text("")
        pathlib.Path(path("number")).write_text("7fff\n")
        run("openssl", "ca", "-gencrl", "-config", path("config"), "-keyfile", f"{self.dir}/other-key.pem", "-cert",
            f"{self.dir}/other.pem", "-out", path("list"))
        return pathlib.Path(path("list")).read_bytes()

    def context(self, name, version=None):
        c = ssl.create_default_context(cafile=f"{self.dir}/ca.pem")
        if name is not None:
            c.load_cert_chain(f"{self.dir}/{name}.pem", f"{self.dir}/{name}-key.pem")
        if version is not None:
            c.minimum_version = c.maximum_version = version
        return c


# --- from afar -----------------------------------------------------------------------------------


class Refused(Exception):
    pass


def connect(context, timeout=SOON_S):
    raw = socket.create_connection((HOST, PORT), timeout)
    try:
        return context.wrap_socket(raw, server_hostname=HOST)
    except (ssl.SSLError, OSError) as e:
        raw.close()
        raise Refused(str(e)) from e


def ask(pki, who, method, path, body=None, headers=None):
    """(status, text); Refused when the connection does not come about."""
    c = http.client.HTTPSConnection(HOST, PORT, context=pki.context(who), timeout=SOON_S)
    try:
        c.request(method, path, body, headers or {})
        r = c.getresponse()
        # A stream has no end of its own.
        text = r.read(1) if r.getheader("Content-Type", "") == "text/event-stream" else r.read()
        return r.status, text.decode(errors="replace")
    except (ssl.SSLError, http.client.HTTPException, OSError) as e:
        raise Refused(str(e)) from e
    finally:
        c.close()


def is_refused(pki, who):
    try:
        ask(pki, who, "GET", "/v1/ps")
    except Refused:
        return True
    return False


def patiently(pki, who, method, path, body=None):
    """As an operator who is told to come again, and does."""
    for _ in range(60):
        status, text = ask(pki, who, method, path, body)
        if status != 429:
            return status, text
        time.sleep(0.1)
    return status, text


def wait_healthy(pki):
    for _ in range(100):
        with contextlib.suppress(Refused):
            if json.loads(ask(pki, "viewer", "GET", "/v1/health")[1])["healthy"]:
                return True
        time.sleep(0.1)
    return False


def cli(*words, who="operator", pki=None):
    return subprocess.run([BULKHEAD, *words, "--connect", f"{HOST}:{PORT}", "--identity", f"{pki.dir}/{who}"],
                          capture_output=True, text=True, timeout=60)


# --- the VM --------------------------------------------------------------------------------------


class Far:
    """With it: the VM and its certificates. In options {disk} is an empty disk's file."""

    def __init__(self, timeout, *arguments, options=()):
        self.stack = contextlib.ExitStack()
        self.work = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.pki = Pki(f"{self.work}/pki")
        self.disk = f"{self.work}/disk"
        with open(self.disk, "wb") as f:
            f.truncate(64 << 20)
        self.socket = f"{self.work}/operator.sock"
        self.namespace = f"bulkhead-{os.getpid()}"
        self.words = ["ip", "netns", "exec", self.namespace, RUN_SIM, "--timeout", str(timeout), "--operators",
                      f"{HOST}:{PORT}", "--pki", self.pki.dir, "--socket", self.socket,
                      *(o.format(disk=self.disk) for o in options), INIT, WORKERS, SIMULATOR, *arguments]

    def link(self):
        """The VM is in the other namespace, so that nothing of this machine's own network changes."""
        run("ip", "netns", "add", self.namespace)
        self.stack.callback(lambda: subprocess.run(["ip", "netns", "del", self.namespace], check=False))
        run("ip", "link", "add", "bulkheadt0", "type", "veth", "peer", "name", "bulkheadt1", "netns", self.namespace)
        self.stack.callback(lambda: subprocess.run(["ip", "link", "del", "bulkheadt0"], check=False, capture_output=True))
        run("ip", "addr", "add", f"{NEAR}/24", "dev", "bulkheadt0")
        run("ip", "link", "set", "bulkheadt0", "up")
        for words in [["addr", "add", f"{HOST}/24", "dev", "bulkheadt1"], ["link", "set", "bulkheadt1", "up"],
                      ["link", "set", "lo", "up"]]:
            run("ip", "-n", self.namespace, *words)

    def __enter__(self):
        self.link()
        self.sim = subprocess.Popen(self.words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.stack.callback(self.sim.wait)
        self.stack.callback(self.sim.kill)
        for _ in range(300):
            with contextlib.suppress(Refused):
                if ask(self.pki, "viewer", "GET", "/v1/version")[0] == 200:
                    break
            time.sleep(0.1)
        return self

    def __exit__(self, *_):
        if failed:
            print("# " + run(BULKHEAD, "logs", "--socket", self.socket)[-4000:].replace("\n", "\n# "))
        self.stack.close()

    def kill_diag(self):
        """Both of it: the one that serves, and the spare."""
        children = pathlib.Path(f"/proc/{self.sim.pid}/task/{self.sim.pid}/children").read_text().split()
        pids = pathlib.Path(f"/proc/{children[0]}/task/{children[0]}/children").read_text().split()
        for p in pids:
            if pathlib.Path(f"/proc/{p}/comm").read_text().strip() == "bulkhead-diag-remote"[:15]:
                os.kill(int(p), signal.SIGKILL)
