"""Ours and the peers in turn on the same rows. `examples/bench` prepares everything and calls this; see docs/benchmarks.md."""

import argparse
import datetime
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from runner import Failed, race, run
from table import markdown

HERE = Path(__file__).resolve().parent
TARGET = HERE.parents[2] / "target"
BENCH = TARGET / "bench"
OURS = TARGET / "release" / "examples" / "benchmark"
PYTHON = BENCH / "venv" / "bin" / "python"
LAST_DAY = "2024-12-31"
FEATURE_PEERS = ["duckdb", "polars", "pyarrow", "pandas"]
LEARNERS = {
    "boosting": ["LightGBM", "XGBoost", "CatBoost", "CatBoost-depthwise"],
    "forest": ["LightGBM", "XGBoost", "scikit-learn"],
    "logistic": ["scikit-learn-newton-cholesky", "scikit-learn-newton-cg", "scikit-learn-lbfgs"],
}
BARS = {"boosting": {8: 2, 24: 1.5}, "forest": {8: 3, 24: 3}, "logistic": {8: 2, 24: 1.3}}
CHECKS = {"boosting": "log_loss", "forest": "auc", "logistic": "coefficients"}


def ours_too(peers):
    """Names of contenders and of what they run: our own package, and the peers."""
    return [("ours, Python", "churn"), *((peer, peer) for peer in peers)]


def python(module, *words):
    return [PYTHON, HERE / f"{module}.py", *words]


def data(kind, rows, columns):
    """The folder of this data, made if it is not there."""
    folder = BENCH / f"{kind}-{rows}-{columns}"
    if not (folder / "done").exists():
        print(f"making {folder.name}", file=sys.stderr, flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run(list(map(str, python("data", folder, kind, rows, columns))), check=True)
    return folder


class Session:
    """What was asked for, and the results so far."""

    def __init__(self, options):
        self.options = options
        self.results = []

    def contest(self, label, contenders, bars, check=None, one_core_only=False, **facts):
        """Runs the contenders on one core and on all. `check` is the mode of agree.py and its words before the folders."""
        for one_core in [True, False]:
            if (one_core and self.options.cores == "all") or (not one_core and (self.options.cores == "one" or one_core_only)):
                continue
            print(f"{label}, {'one core' if one_core else 'all cores'}", file=sys.stderr, flush=True)
            folders = {name: BENCH / "check" / name for name in contenders} if check else None
            shutil.rmtree(BENCH / "check", ignore_errors=True)
            figures = race(contenders, self.options.repeats, one_core, folders)
            answers = {}
            for name in contenders:
                if check and name != "ours":
                    answer = run(python("agree", *check, folders["ours"], folders[name]), False)
                    answers[name] = {key: answer[key] for key in ("agrees", "difference")}
            shutil.rmtree(BENCH / "check", ignore_errors=True)
            bar = bars.get("one" if one_core else "all", bars) if "one" in bars or "all" in bars else bars
            self.results.append(
                {"label": label, "one_core": one_core, "figures": figures, "answers": answers, "bars": bar} | facts)
            (BENCH / "results.json").write_text(json.dumps(self.results, indent=1))

    def features(self):
        rows, customers = (300_000, 30_000) if self.options.quick else (10_000_000, 1_000_000)
        folder = data("events", rows, customers)
        for label, feature_set, file, bars in [
            ("CSV, shuffled → rfm", "rfm", "shuffled.csv", {"one": {"times": 7, "peak": 0.25, "ordered": 1.5}, "all": {"times": 5, "ordered": 1.5}}),
            ("CSV, shuffled → behavioral", "behavioral", "shuffled.csv", {"times": 9}),
            ("Parquet, shuffled → rfm", "rfm", "shuffled.parquet", {"times": 4}),
        ]:
            contenders = {"ours": [OURS, "features", feature_set, folder / file, LAST_DAY]}
            if "ordered" in str(bars):
                contenders["ours, ordered rows"] = [OURS, "features", feature_set, folder / "ordered.csv", LAST_DAY]
            contenders |= {name: python("features", peer, feature_set, folder / file) for name, peer in ours_too(FEATURE_PEERS)}
            self.contest(label, contenders, bars, ["features"], rows=rows)
        contenders = {"ours": [OURS, "frame", folder / "shuffled.parquet", LAST_DAY],
                      "ours, Python": python("frame", folder / "shuffled.parquet")}
        self.contest("frame in memory → rfm", contenders, {"python times": 1.3, "beyond": 200}, ["features"])
        if self.options.full:
            folder = data("log", 100_000_000, 10_000_000)
            contender = {"ours": [OURS, "features", "rfm", folder / "shuffled.csv", LAST_DAY]}
            self.contest("100 M rows, 10 M customers → rfm", contender, {"megabytes": 2500})

    def job(self):
        """The whole job, against a script with Polars and LightGBM."""
        rows, customers = (300_000, 30_000) if self.options.quick else (10_000_000, 1_000_000)
        path = data("events", rows, customers) / "shuffled.csv"
        contenders = {"ours": [OURS, "job", path]}
        contenders |= {name: python("job", peer, path) for name, peer in ours_too(["polars-LightGBM"])}
        self.contest(f"events → risks, {rows:,} rows", contenders, {"times": 1}, ["judged"])

    def train(self, models):
        for model in models:
            for columns in (8, 24):
                for rows in [10_000] if self.options.quick else [10_000, 100_000, 1_000_000]:
                    folder = data("matrix", rows, columns)
                    contenders = {"ours": [OURS, "train", model, folder, columns]}
                    contenders |= {name: python("learners", peer, model, folder, columns) for name, peer in ours_too(LEARNERS[model])}
                    check = [CHECKS[model], *([folder / "test_y.u8"] if model != "logistic" else [])]
                    self.contest(f"{model}, {rows:,} × {columns}", contenders, {"times": BARS[model][columns]}, check)

    def models(self):
        """The model of each library, trained on the same rows."""
        folder = data("matrix", 10_000 if self.options.quick else 100_000, 8)
        paths = {name: BENCH / f"model-{name}" for name in ("ours", "LightGBM", "XGBoost", "CatBoost")}
        paths["churn"] = paths["ours"]
        paths["XGBoost"] = paths["XGBoost"].with_suffix(".ubj")
        run([OURS, "model", folder, 8, paths["ours"]], False)
        for peer in ("LightGBM", "XGBoost", "CatBoost"):
            run(python("scoring", "model", peer, folder, 8, paths[peer]), False)
        return paths, data("matrix", 10_000 if self.options.quick else 1_000_000, 8)

    def score(self):
        paths, folder = self.models()
        contenders = {"ours": [OURS, "score", paths["ours"], folder, 8]}
        peers = ("LightGBM", "XGBoost", "CatBoost")
        contenders |= {name: python("scoring", "score", peer, paths[peer], folder, 8) for name, peer in ours_too(peers)}
        bars = {"times LightGBM": 8, "times CatBoost": 1}
        self.contest("scoring a batch, a row", contenders, bars, ["log_loss", folder / "test_y.u8"])
        paths["LightGBM-C"] = paths["LightGBM"]
        for what, peers, bars in [
            ("one", ["LightGBM-C", "LightGBM", "XGBoost", "CatBoost"], {"times LightGBM-C": 3}),
            ("explain", ["LightGBM", "XGBoost", "CatBoost"], {"microseconds": 50}),
        ]:
            contenders = {"ours": [OURS, what, paths["ours"], folder, 8]}
            contenders |= {name: python("scoring", what, peer, paths[peer], folder, 8) for name, peer in ours_too(peers)}
            label = "scoring one row" if what == "one" else "Shapley values of one row"
            self.contest(label, contenders, bars, one_core_only=True)
        path = BENCH / "model-of-events"
        run([OURS, "events", data("events", 300_000, 30_000) / "shuffled.csv", path], False)
        contenders = {"ours": [OURS, "customer", path], "ours, Python": python("scoring", "customer", path)}
        self.contest("one customer, ten transactions", contenders, {"microseconds from Python": 20}, one_core_only=True)


def machine():
    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        names = [line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
        model = names[0] if names else model
    pinned = (HERE / "requirements.txt").read_text().splitlines()
    pinned = [line for line in pinned if "==" in line and not line.startswith("maturin")]
    ours = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, cwd=HERE).stdout.strip()
    return {
        "machine": f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}",
        "date": datetime.date.today().isoformat(),
        "ours": ours or "unknown",
        "peers": ", ".join(pinned).replace("==", " "),
    }


def main():
    parser = argparse.ArgumentParser(prog="examples/bench", description=__doc__)
    parser.add_argument("parts", nargs="*", help="features, boosting, forest, logistic, train (these three), job, score; all if none is named")
    parser.add_argument("--quick", action="store_true", help="small data, one repeat: tests that all works; its times mean little")
    parser.add_argument("--full", action="store_true", help="also 100 million rows, ours alone")
    parser.add_argument("--repeats", type=int, help="timed runs of each contender (default 3)")
    parser.add_argument("--cores", choices=["one", "all", "both"], default="both")
    options = parser.parse_args()
    options.repeats = options.repeats or (1 if options.quick else 3)
    parts = set(options.parts) or {"features", "train", "job", "score"}
    if unknown := parts - {"features", "train", "job", "score", *LEARNERS}:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    session = Session(options)
    try:
        if "features" in parts:
            session.features()
        session.train([model for model in LEARNERS if model in parts or "train" in parts])
        if "job" in parts:
            session.job()
        if "score" in parts:
            session.score()
    except Failed as error:
        sys.exit(f"a measured program failed: {error}")
    text = markdown(session.results, machine())
    (BENCH / "table.md").write_text(text)
    print(text)
    differing = [f"{r['label']}: {name}" for r in session.results for name, a in r["answers"].items() if not a["agrees"]]
    if differing:
        print("answers that differ:", *differing, sep="\n  ", file=sys.stderr)
    # Features and coefficients have one right answer; losses of small samples may differ by luck, and are shown.
    exact = [r for r in session.results if r["label"].startswith(("CSV", "Parquet", "logistic"))]
    return 0 if all(a["agrees"] for r in exact for a in r["answers"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
