"""Whether docs/server is true: the walk-throughs are the files they show, every endpoint is there, and the blocks of
the API reference work one after the other, in curl and in Python.

    CHURN_URL=http://127.0.0.1:5000 CHURN_TOKEN=… python3 tests/e2e/documents.py     # against a running server
    python3 tests/e2e/documents.py --write                                          # docs/server/walkthrough.md anew

Needs `requests`. Exit status 0 if all of it holds.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs" / "server"
CLIENT = ROOT / "examples" / "client"


def walkthrough() -> str:
    """docs/server/walkthrough.md, made of the two programs."""
    return f"""# The whole way, as a program

Both make an organization, upload two years of made-up transactions, make features, train, and predict. They are
`examples/client/walkthrough.py` and `examples/client/walkthrough.sh`, and run unchanged in the tests.

## In Python

```python
{(CLIENT / "walkthrough.py").read_text(encoding="utf-8").rstrip()}
```

## With curl

```sh
{(CLIENT / "walkthrough.sh").read_text(encoding="utf-8").rstrip()}
```
"""


def blocks(language: str) -> list[str]:
    """The blocks of the API reference in a language."""
    text = (DOCS / "api.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def check_endpoints(url: str) -> None:
    """The reference has the endpoints that the server says it has, and no others."""
    import requests

    text = (DOCS / "api.md").read_text(encoding="utf-8")
    written = set(re.findall(r"^### ([A-Z]+) (/\S*)$", text, re.MULTILINE))
    paths = requests.get(f"{url}/openapi.json", timeout=30).json()["paths"]
    known = {
        (method.upper(), path.removeprefix("/api/v1/churn/v2"))
        for path, methods in paths.items()
        for method in methods
        if method in ("get", "post", "put", "patch", "delete")
    }
    # The description does not describe itself.
    written.discard(("GET", "/openapi.json"))
    known.discard(("GET", "/openapi.json"))
    assert written == known, f"not in api.md: {sorted(known - written)}; not in the server: {sorted(written - known)}"
    # Two before the endpoints, a second one for an upload whose form is found, and the way of subscriptions.
    assert len(blocks("bash")) == len(blocks("python")) == len(written) + 4


def run_curl(environment: dict[str, str], work: Path) -> None:
    """The blocks in bash, where a refusal ends the run."""
    # What the reader does without: an answer that is an error is one for the test.
    curl = 'curl() { command curl --silent --show-error --fail-with-body "$@"; }\n'
    script = "set -euo pipefail\n" + curl + "set -x\n" + "\n".join(blocks("bash"))
    done = subprocess.run(
        ["bash", "-c", script], cwd=work, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def run_python(environment: dict[str, str], work: Path) -> None:
    """The blocks in Python, in a process of its own, where a refusal is an error."""
    strict = (
        "import requests\n"
        "def strict(answer, *_, **__):\n    assert answer.ok, (answer.request.method, answer.url, answer.text)\n"
        "_session = requests.Session\n"
        "def _strict_session():\n    made = _session()\n    made.hooks['response'].append(strict)\n    return made\n"
        "requests.Session = _strict_session\n"
    )
    script = strict + "\n".join(blocks("python"))
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=work, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def main() -> None:
    """Everything, or the one page written anew."""
    page = DOCS / "walkthrough.md"
    if "--write" in sys.argv:
        page.write_text(walkthrough(), encoding="utf-8")
        return
    assert page.read_text(encoding="utf-8") == walkthrough(), "walkthrough.md: run tests/e2e/documents.py --write"
    url = os.environ.get("CHURN_URL", "http://127.0.0.1:5000")
    check_endpoints(url)
    name = os.environ.get("CHURN_ORG", "documents")
    for kind, run in (("curl", run_curl), ("python", run_python)):
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder)
            (work / "examples").symlink_to(ROOT / "examples")
            run({**os.environ, "CHURN_URL": url, "CHURN_ORG": f"{name}-{kind}"}, work)
        print(f"api.md: {len(blocks('bash'))} blocks of {kind} ran")
    print("2 passed, 0 failed")


if __name__ == "__main__":
    main()
