"""Attacks of one organization, the rival, and what another one, the victim, notices of them. test_hostile.py checks
their memory and answers; `measure.py hostile` prints how fast the victim is answered meanwhile."""

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import requests
from world import BASE, Client, Process, claims, token, transactions

# Bytes of a prediction, and of settings, that are taken.
LONGEST, LONGEST_SETTINGS = 1_000_000, 20_000
CUSTOMER = {"customer_id": "C1", "transactions": [{"event_date": "2025-12-01", "amount": 5}], "as_of": "2025-12-28"}


def p99(url: str, secret: str, seconds: float) -> float:
    """Milliseconds within which 99 % of the predictions of the victim came. It is measured in a process of its own:
    here it would wait for the threads of the attack, not for the server."""
    command = [sys.executable, __file__, url, secret, str(seconds)]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def measure_p99(url: str, secret: str, seconds: str) -> float:
    client, times = Client(url, "victim", secret), []
    client.call("POST", "/predict", json=CUSTOMER)
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        start = time.perf_counter()
        client.call("POST", "/predict", json=CUSTOMER)
        times.append(time.perf_counter() - start)
        time.sleep(0.002)
    return 1000 * sorted(times)[len(times) * 99 // 100]


def connect(server: Process) -> socket.socket:
    host, port = server.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=30)


def flood(server: Process, path: str, head: str, start: bytes, piece: bytes) -> tuple[int, bytes]:
    """Sends a body that is far too long, in chunks or with an announced length, as `head` says; how much the server
    took of it, and what it answered."""
    chunked = "chunked" in head

    def chunk(data: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(data), data) if chunked else data

    with connect(server) as line:
        line.sendall(f"POST {path} HTTP/1.1\r\nhost: x\r\n{head}\r\n".encode() + chunk(start))
        data, sent = chunk(piece), 0
        try:
            while sent < 200_000_000:
                line.sendall(data)
                sent += len(piece)
        except OSError:
            # It does not listen any more.
            pass
        try:
            return sent, line.recv(65536)
        except OSError:
            return sent, b""


def filled(start: bytes, piece: bytes, end: bytes, length: int = LONGEST) -> bytes:
    """So many pieces between a start and an end as make nearly that length, and blanks that make it exactly that."""
    count = (length - len(start) - len(end)) // len(piece)
    body = start + piece * count
    # A list ends without a comma.
    body = body.removesuffix(b",") + end
    return body.ljust(length)


def keys(count: int) -> bytes:
    return b",".join(b'"k%06d":0' % number for number in range(count))


# Bodies as long as a prediction may be, and what the answer says.
BODIES = {
    "nested lists": (b'{"customer_id":'.ljust(LONGEST, b"["), b"invalid_json"),
    "a list": (filled(b'{"customer_id":[', b"[0],", b"]}"), b"at most 16384"),
    "a list of objects": (filled(b'{"customer_id":[', b'{"":0},', b"]}"), b"at most 16384"),
    "a text": (filled(b'{"customer_id":"', b"x", b'"}'), b"at most 16384"),
    "keys of a transaction": (b'{"customer_id":"a","transactions":[{%b}]}' % keys(80_000), b"at most 16384"),
    "transactions": (
        filled(b'{"customer_id":"a","as_of":"2025-12-28","transactions":[', b'{"event_date":"2025-01-01"},', b"]}"),
        b"churn_probability",
    ),
}
BODIES = {name: (body.ljust(LONGEST), word) for name, (body, word) in BODIES.items()}


@dataclass
class Attacked:
    """What an attack did. Times in milliseconds: 99 % of the victim's predictions before and during it, an upload."""

    name: str
    undisturbed: float
    disturbed: float
    upload: float
    # Megabytes beyond what the server held before.
    more: float
    # False for jobs, which may take the memory of their data.
    bounded: bool
    # Answers to the rival, and a word that each of them has.
    answers: list[bytes]
    word: bytes


@contextmanager
def at_once(attack: Callable[[threading.Event], None], threads: int) -> Iterator[None]:
    """Runs an attack in the background, as long as it takes or until it is told to stop."""
    stop = threading.Event()
    running = [threading.Thread(target=attack, args=(stop,)) for _ in range(threads)]
    for thread in running:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in running:
            thread.join()


Attack = Callable[[threading.Event], None]


def attacks_on(server: Process, answers: dict[str, list[bytes]]) -> list[tuple[str, Attack, int, bytes]]:
    """The attacks of the rival on a server: name, function of a thread, number of threads, and a word that each answer
    has. Answers are added to `answers`."""
    rival_secret = token(claims("rival"))
    rival = Client(server.url, "rival", rival_secret)
    rival_data = rival.train(transactions(2, customers=500))
    upload = f"{BASE}/organizations/rival/upload-dataset"
    bearer = f"authorization: Bearer {rival_secret}\r\n"
    form = f"{bearer}transfer-encoding: chunked\r\ncontent-type: multipart/form-data; boundary=edge\r\n"
    part = b'--edge\r\ncontent-disposition: form-data; name="file"; filename="l.csv"\r\n'

    def header(stop: threading.Event) -> None:
        while not stop.is_set():
            sent, answer = flood(server, upload, form, part + b"x: ", b"h" * 65536)
            answers.setdefault("header", []).append(answer)
            assert sent < 20_000_000, f"{sent} bytes of a header were taken"

    def preamble(stop: threading.Event) -> None:
        while not stop.is_set():
            sent, answer = flood(server, upload, form, b"hello", b"no boundary\r\n" * 5000)
            answers.setdefault("preamble", []).append(answer)
            assert sent < 20_000_000, f"{sent} bytes of a preamble were taken"

    def slow_uploads(stop: threading.Event) -> None:
        lines = []
        for _ in range(64):
            line = connect(server)
            head = f"POST {upload} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {rival_secret}\r\n"
            head += "content-type: multipart/form-data; boundary=edge\r\ncontent-length: 1000000\r\n\r\n"
            line.sendall(head.encode() + part + b"\r\n")
            lines.append(line)
        while not stop.is_set():
            time.sleep(0.5)
        for line in lines:
            line.close()

    def wrong_keys(stop: threading.Event) -> None:
        number = 0
        while not stop.is_set():
            with connect(server) as line:
                for _ in range(20):
                    requests_ = b""
                    for _ in range(50):
                        number += 1
                        requests_ += (
                            f"GET {BASE}/session HTTP/1.1\r\nhost: x\r\n"
                            f"authorization: Bearer churn_{id(stop)}x{number}\r\n\r\n"
                        ).encode()
                    line.sendall(requests_)
                    answer = b""
                    while answer.count(b"HTTP/1.1 ") < 50:
                        piece = line.recv(1 << 20)
                        assert piece, answer[-500:]
                        answer += piece
                    answers.setdefault("wrong keys", []).append(answer[:1000])
                    # About 1,900 a second.
                    if stop.wait(0.026):
                        return

    def too_large(stop: threading.Event) -> None:
        while not stop.is_set():
            path = f"/train?dataset_id={rival_data['dataset_id']}"
            body = {"horizon_days": 1, "snapshots": 1000, "feature_set": "behavioral", "top_event_types": 1000}
            answer = rival.session.post(f"{rival.org}{path}", json=body, timeout=60)
            answers.setdefault("too large", []).append(answer.content)
            time.sleep(0.02)

    def many_settings(stop: threading.Event) -> None:
        body = json.dumps({"x": [0] * 5_000_000}).encode()
        while not stop.is_set():
            headers = {"content-type": "application/json"}
            try:
                answer = rival.session.post(f"{rival.org}/train", data=body, headers=headers, timeout=60)
                answers.setdefault("settings", []).append(answer.content)
            except requests.ConnectionError:
                # It closes the line before it has all of it.
                answers.setdefault("settings", []).append(b"payload_too_large")

    def sent_again(name: str, path: str, body: bytes) -> Callable[[threading.Event], None]:
        def attack(stop: threading.Event) -> None:
            client = Client(server.url, "rival", rival_secret)
            headers = {"content-type": "application/json"}
            while not stop.is_set():
                answer = client.session.post(f"{client.org}{path}", data=body, headers=headers, timeout=60)
                answers.setdefault(name, []).append(answer.content)

        return attack

    def announced(stop: threading.Event) -> None:
        head = f"{bearer}content-type: application/json\r\ncontent-length: 100000000\r\n"
        while not stop.is_set():
            sent, answer = flood(server, f"{BASE}/organizations/rival/predict", head, b"{", b" " * 65536)
            answers.setdefault("a length beyond the limit", []).append(answer)
            assert sent < 20_000_000, f"{sent} bytes of a body were taken"

    def trainings(stop: threading.Event) -> None:
        client = Client(server.url, "rival", rival_secret)
        while not stop.is_set():
            path = f"/train?activate=false&dataset_id={rival_data['dataset_id']}"
            client.done(client.call("POST", path, 202)["job_id"])

    tree = filled(b'{"x":[', b'{"":0},', b"]}", LONGEST_SETTINGS)
    return [
        ("header", header, 2, b"invalid_multipart"),
        ("preamble", preamble, 2, b"invalid_multipart"),
        ("slow uploads", slow_uploads, 1, b""),
        ("wrong keys", wrong_keys, 1, b""),
        ("too large", too_large, 1, b"training_too_large"),
        ("settings", many_settings, 1, b"payload_too_large"),
        ("a tree of settings", sent_again("a tree of settings", "/train", tree), 4, b'"code"'),
        ("a length beyond the limit", announced, 2, b"payload_too_large"),
        *((name, sent_again(name, "/predict", body), 4, word) for name, (body, word) in BODIES.items()),
        ("trainings", trainings, 2, b""),
    ]


def run_attacks(server: Process, seconds: float, elsewhere: Process | None = None) -> Iterator[Attacked]:
    """Runs one attack after the other, and measures the victim for so many seconds before and during each. The server
    needs SECRET_KEY, and UPLOAD_IDLE_SECONDS longer than that.

    Attackers, server and victim share the processors of one machine. With a second server, the same attack runs on that
    one while the victim is measured undisturbed, so that the difference is what this server makes of the attack."""
    secret = token(claims("victim"))
    victim = Client(server.url, "victim", secret)
    victim.train(transactions(1))
    victim.upload(transactions(3))
    answers: dict[str, list[bytes]] = {}
    attacks = attacks_on(server, answers)
    decoys = attacks_on(elsewhere, {}) if elsewhere else attacks
    for (name, attack, threads, word), (_, decoy, _, _) in zip(attacks, decoys, strict=True):
        with at_once(decoy, threads if elsewhere else 0):
            time.sleep(0.3)
            undisturbed = p99(server.url, secret, seconds)
        server.forget_peak()
        before = server.status("VmRSS")
        with at_once(attack, threads):
            time.sleep(0.3)
            disturbed = p99(server.url, secret, seconds)
            # Uploads of the other organization are taken all the while.
            start = time.perf_counter()
            victim.upload(transactions(4))
            took = time.perf_counter() - start
            peak = server.status("VmHWM")
        seen = [answer for answer in answers.get(name, []) if answer]
        more = (peak - before) / 1000
        yield Attacked(name, undisturbed, disturbed, 1000 * took, more, name != "trainings", seen, word)


if __name__ == "__main__":
    print(measure_p99(*sys.argv[1:]))
