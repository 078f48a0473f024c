"""What is written is true: the examples of the docstrings and of the documents, the names, the codes."""

from __future__ import annotations

import doctest
import importlib.util
import inspect
import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, columns_of, made_up_log, vectors

import churn
from churn import _churn, errors


def described() -> list[tuple[str, str]]:
    """Every docstring of the package with its name."""
    found = [("churn", churn.__doc__ or ""), ("churn.errors", errors.__doc__ or "")]
    objects = [
        (f"churn.{name}", getattr(churn, name)) for name in churn.__all__ if not inspect.ismodule(getattr(churn, name))
    ]
    objects += [(f"churn.profit.{name}", getattr(churn.profit, name)) for name in churn.profit.__all__]
    if importlib.util.find_spec("sklearn"):
        estimators = importlib.import_module("churn.sklearn")
        found.append(("churn.sklearn", estimators.__doc__ or ""))
        objects += [(f"churn.sklearn.{name}", getattr(estimators, name)) for name in estimators.__all__]
    for name, value in objects:
        found.append((name, inspect.getdoc(value) or ""))
        if inspect.isclass(value):
            found += [
                (f"{name}.{key}", inspect.getdoc(member) or "")
                for key, member in vars(value).items()
                if not key.startswith("_") and (callable(member) or hasattr(member, "__get__"))
            ]
    return found


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """What the examples suppose to be there."""
    columns = columns_of(made_up_log(5, 200))
    events = churn.Events.from_table(columns)
    frame: Any = columns
    try:
        import pandas as pd

        frame = pd.DataFrame(columns)
        frame["event_date"] = pd.to_datetime(frame["event_date"])
    except ImportError:
        pass
    return {"events": events, "frame": frame, "model": churn.train(events)}


@pytest.mark.parametrize(("name", "text"), described(), ids=[name for name, _ in described()])
def test_docstrings(name: str, text: str, names: dict[str, Any]) -> None:
    assert text, f"{name} has no docstring"
    if "sklearn" in name:
        pytest.importorskip("pandas")
    test = doctest.DocTestParser().get_doctest(text, dict(names), name, None, 0)
    report: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test, out=report.append)
    assert not report, "".join(report)


def test_most_docstrings_have_examples() -> None:
    with_examples = [name for name, text in described() if ">>>" in text]
    assert len(with_examples) >= 19


def test_the_manifest_of_names() -> None:
    listed = [name for step in vectors("api.json")["steps"] for name in step["python"]]
    assert len(listed) >= 30
    for name in listed:
        value: Any = churn
        for part in name.split("."):
            value = getattr(value, part)
    public = set(churn.__all__) - {"__version__", "ChurnError", "errors", "profit"}
    top = {name.split(".")[0] for name in listed} - {"profit"}
    assert top == public, "the manifest and __all__ name the same"
    profit = {name.split(".")[1] for name in listed if name.startswith("profit.")}
    assert profit == set(churn.profit.__all__)


def test_every_code_has_its_exception() -> None:
    assert list(errors.BY_CODE) == _churn.ERROR_CODES
    for code, kind in errors.BY_CODE.items():
        words = "".join(part.capitalize() for part in code.split("_"))
        assert kind.__name__ == f"{words}Error"
        assert issubclass(kind, ValueError)
        assert kind.__doc__


def test_the_version_is_that_of_the_packages() -> None:
    from importlib.metadata import version

    manifest = (ROOT / "Cargo.toml").read_text(encoding="utf-8")
    assert re.search(r'^version = "(.*)"$', manifest, re.MULTILINE)[1] == churn.__version__ == version("openchurn")  # type: ignore[index]


def test_the_script(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["whom_to_call.py"])
    runpy.run_path(str(ROOT / "examples" / "python" / "whom_to_call.py"), run_name="__main__")
    assert "to call" in capsys.readouterr().out


def test_the_notebook(tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    notebook = nbformat.read(ROOT / "examples" / "python" / "whom_to_call.ipynb", as_version=4)
    nbformat.validate(notebook)
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = json.dumps(notebook)
    assert "<svg" in shown
    assert "to call" in shown


def test_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of docs/python.md are run one after the other."""
    pytest.importorskip("matplotlib").use("Agg")
    monkeypatch.chdir(tmp_path)
    pytest.importorskip("pandas")
    pytest.importorskip("sklearn")
    pytest.importorskip("duckdb")
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 5
    scope: dict[str, Any] = {"transactions": _transactions()}
    for block in blocks:
        exec(compile(block, "docs/python.md", "exec"), scope)
    assert (tmp_path / "report.html").exists()


def _transactions() -> Any:
    import pandas as pd

    frame = pd.DataFrame(columns_of(made_up_log(8, 300)))
    frame["event_date"] = pd.to_datetime(frame["event_date"])
    return frame
