"""What the documentation shows works unchanged: on SQLite and a folder, open and with tokens, and on PostgreSQL with
Supabase Storage, of which a stand-in is here."""

import os
import subprocess
import sys

import pytest
from world import ROOT, SECRET, SECRET_KEY, SERVICE_TOKEN, World, claims, token

CLIENT = ROOT / "examples" / "client"
PROGRAMS = {
    "python": [sys.executable, str(CLIENT / "walkthrough.py")],
    "curl": [str(CLIENT / "walkthrough.sh")],
    "reference": [sys.executable, str(ROOT / "tests" / "e2e" / "documents.py")],
}
PLACES = [
    "open on SQLite and a folder",
    "SQLite and a folder",
    "PostgreSQL and Supabase",
    "PostgreSQL and Supabase, new key",
]


@pytest.mark.parametrize("place", PLACES)
def test_the_documentation_is_true(world: World, place: str) -> None:
    variables = {} if place.startswith("open") else {"SECRET_KEY": SECRET}
    if "PostgreSQL" in place:
        variables |= {"DATABASE_URL": world.database(), "SUPABASE_URL": world.standin()}
        # The old kind of key under either name.
        name, key = ("SUPABASE_SERVICE_KEY", SECRET_KEY) if "new" in place else ("SUPABASE_ANON_KEY", SERVICE_TOKEN)
        variables[name] = key
    server = world.serve(**variables)
    for name, command in PROGRAMS.items():
        organization = f"docs-{name}"
        environment = {**os.environ, "CHURN_URL": server.url, "CHURN_ORG": organization, "CHURN_TOKEN": ""}
        if "SECRET_KEY" in variables:
            # The reference also lists and makes organizations.
            environment["CHURN_TOKEN"] = token(claims("*" if name == "reference" else organization))
        done = subprocess.run(command, env=environment, cwd=world.folder, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, (
            f"{name}: {done.stdout[-3000:]}\n{done.stderr[-3000:]}\n{server.log.read_text()[-3000:]}"
        )
    if "PostgreSQL" in place:
        # Nothing is kept beside the database and the storage.
        assert not [path for path in (world.folder / "data").rglob("*") if path.is_file()]
    assert server.stop() == 0
