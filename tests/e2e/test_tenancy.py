"""No token reaches what is not its own: every endpoint of the description × every token that must not open it."""

import time
from typing import Any

import requests
from world import BASE, SECRET, Client, World, claims, token, transactions

# What an operation needs besides a token, so that nothing but the token can be wrong with it.
BODIES: dict[str, dict[str, Any]] = {
    "upload-dataset": {"files": {"file": ("log.csv", transactions(1), "text/csv")}},
    "predict-bulk": {"files": {"file": ("log.csv", transactions(1), "text/csv")}},
    "predict": {"json": {"customer_id": "c00001", "transactions": [{"event_date": "2025-12-01", "amount": 5}]}},
    "settings": {"json": {"churn_threshold_days": 45}},
    "challenger": {"json": {"model_id": "{model_id}", "traffic_share": 0.5}},
    "api-keys": {"json": {"name": "x", "role": "read"}},
    "organizations": {"json": {"organization_id": "acme"}},
}

METHODS = ("get", "put", "post", "patch", "delete")


def operations(url: str) -> list[tuple[str, str]]:
    paths = requests.get(f"{url}/openapi.json", timeout=30).json()["paths"]
    found = [(method, path) for path, item in paths.items() for method in item if method in METHODS]
    within = [(method, path) for method, path in found if path.startswith(BASE)]
    assert len(within) >= 30, f"the description lists {len(within)} operations"
    return within


def request(url: str, method: str, path: str, organization: str, ids: dict[str, str], secret: str) -> requests.Response:
    body = dict(BODIES.get(path.rsplit("/", 1)[-1], {})) if method in ("post", "put", "patch") else {}
    if "json" in body:
        body["json"] = {key: ids["model_id"] if value == "{model_id}" else value for key, value in body["json"].items()}
    for name, value in {"org_id": organization, "key_id": ids["dataset_id"], **ids}.items():
        path = path.replace(f"{{{name}}}", value)
    assert "{" not in path, f"{path} has a parameter that this test does not know"
    headers = {"Authorization": secret} if secret else {}
    return requests.request(method, f"{url}{path}", headers=headers, timeout=60, **body)


def test_no_token_opens_what_is_not_its_own(world: World) -> None:
    server = world.serve(SECRET_KEY=SECRET)
    acme = Client(server.url, "acme", token(claims("acme")))
    rival = Client(server.url, "rival", token(claims("rival")))
    secrets = acme.train(transactions(1))
    secrets["backtest_id"] = acme.backtest(secrets["dataset_id"])
    rival.train(transactions(2))
    lists = ("/datasets", "/models", "/prediction-batches", "/backtests", "/jobs", "")
    before = [acme.call("GET", path) for path in lists]

    now = int(time.time())
    good = claims("acme")
    in_user_metadata = {**claims("rival"), "user_metadata": {"organization_id": "acme", "churn_role": "admin"}}
    no_expiry = {key: value for key, value in good.items() if key != "exp"}
    closed = {
        "missing": "",
        "empty": "Bearer ",
        "not a token": "Bearer not.a.token",
        "basic": "Basic YWNtZTphY21l",
        "expired": f"Bearer {token(claims('acme', seconds=-3600))}",
        "not yet valid": f"Bearer {token({**good, 'nbf': now + 3600})}",
        "without expiry": f"Bearer {token(no_expiry)}",
        "for another audience": f"Bearer {token({**good, 'aud': 'somebody'})}",
        "wrongly signed": f"Bearer {token(good, secret=SECRET + '!')}",
        "alg none": f"Bearer {token(good, algorithm='none')}",
        "alg None": f"Bearer {token(good, algorithm='None')}",
        "another algorithm": f"Bearer {token(good, algorithm='HS512')}",
        "unknown key": f"Bearer churn_{'A' * 43}",
    }
    others = {
        "of another organization": f"Bearer {token(claims('rival'))}",
        "of no organization": f"Bearer {token({key: value for key, value in good.items() if key != 'app_metadata'})}",
        "named by the user": f"Bearer {token(in_user_metadata)}",
    }
    wrong, tried = [], 0
    for method, path in operations(server.url):
        for kind, secret in {**closed, **others}.items():
            # Without an organization in the path a good token opens it, for its own organization; looked at below.
            if "{org_id}" not in path and kind in others:
                continue
            answer = request(server.url, method, path, "acme", secrets, secret)
            expected = (401,) if kind in closed else (403, 404)
            tried += 1
            if answer.status_code not in expected or "code" not in answer.json():
                wrong.append(f"{kind}: {method} {path} answers {answer.status_code} {answer.text[:200]}")
        # The own organization with the ids of the other: as if they did not exist.
        if path.count("{") > 1:
            answer = request(server.url, method, path, "rival", secrets, others["of another organization"])
            tried += 1
            if answer.status_code != 404:
                wrong.append(f"foreign id: {method} {path} answers {answer.status_code} {answer.text[:200]}")
    assert not wrong, "\n".join(wrong)
    assert tried > 400
    print(f"{tried} requests that must not pass")

    # Ids in queries and bodies are no way around.
    foreign = secrets
    for method, path, body in [
        ("POST", f"/train?model_type=logistic_regression&dataset_id={foreign['dataset_id']}", None),
        ("POST", f"/predict-bulk?dataset_id={foreign['dataset_id']}", None),
        ("POST", f"/backtest?dataset_id={foreign['dataset_id']}", None),
        ("PUT", "/models/challenger", {"model_id": foreign["model_id"], "traffic_share": 0.5}),
        ("GET", f"/models/comparison?a={foreign['model_id']}&b={foreign['model_id']}", None),
        ("GET", f"/prediction-customers?batch_id={foreign['batch_id']}", None),
    ]:
        rival.call(method, path, 404, json=body)

    # What has no organization in its path tells of one's own alone, and makes none that is another's.
    session = rival.session
    listed = session.get(f"{rival.base}/organizations", timeout=30).json()["organizations"]
    assert [organization["organization_id"] for organization in listed] == ["rival"]
    assert session.get(f"{rival.base}/session", timeout=30).json()["organization_id"] == "rival"
    answer = session.post(f"{rival.base}/organizations", json={"organization_id": "third"}, timeout=30)
    assert answer.status_code == 403, answer.text

    after = [acme.call("GET", path) for path in lists]
    assert after == before


def test_roles_open_as_much_as_they_say(world: World) -> None:
    server = world.serve(SECRET_KEY=SECRET)
    admin = Client(server.url, "acme", token(claims("acme")))
    ids = admin.train(transactions(1))
    for role, organization_wide in [("read", 200), ("write", 200)]:
        client = Client(server.url, "acme", token(claims("acme", role)))
        assert client.call("GET", "/datasets", organization_wide)["total"] == 1
        client.call("GET", "/api-keys", 403)
        client.call("DELETE", f"/datasets/{ids['dataset_id']}", 403)
        client.call("PATCH", "/settings", 403, json={"churn_threshold_days": 10})
        client.call("POST", f"/models/{ids['model_id']}/activate", 403)
    reader = Client(server.url, "acme", token(claims("acme", "read")))
    reader.call("POST", "/upload-dataset", 403, files={"file": ("log.csv", transactions(3), "text/csv")})
    reader.call("POST", f"/datasets/{ids['dataset_id']}/process-features", 403)
    reader.call("POST", "/train", 403)
    reader.call("POST", "/backtest", 403)
    reader.call("POST", "/predict", 200, **BODIES["predict"])

    # A key is worth its role until it is revoked; what is shown later is not enough to use it.
    made = admin.call("POST", "/api-keys", 201, json={"name": "crm", "role": "read"})
    keyed = Client(server.url, "acme", made["key"])
    keyed.call("GET", "/datasets")
    keyed.call("POST", "/train", 403)
    Client(server.url, "rival", made["key"]).call("GET", "/datasets", 403)
    shown = admin.call("GET", "/api-keys")["api_keys"]
    assert made["key"] not in str(shown)
    assert [key["key_id"] for key in shown] == [made["key_id"]]
    assert made["key"].encode() not in b"".join(path.read_bytes() for path in world.folder.rglob("churn.db*"))
    admin.call("DELETE", f"/api-keys/{made['key_id']}", 204)
    keyed.call("GET", "/datasets", 401)
