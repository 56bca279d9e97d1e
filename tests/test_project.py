"""The shape of the project: what no linter holds. Each failure names the file and the line."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ["hub", "connectors", "rules", "api", "simulators"]
MIGRATIONS = ROOT / "hub/store/migrations/versions"
LONGEST_FILE = 400
LONGEST_FUNCTION = 60


def product_files():
    files = [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]
    assert len(files) > 20
    return [file for file in files if MIGRATIONS not in file.parents] + [ROOT / "run.py"]


def place(file, node=None):
    return f"{file.relative_to(ROOT)}:{node.lineno}" if node else str(file.relative_to(ROOT))


def tracked_text_files():
    """What git knows and a person can read; in a copy without git, every source file."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    names = done.stdout.decode().split("\0") if done.returncode == 0 else [str(f) for f in product_files()]
    endings = {".py", ".toml", ".yaml", ".yml", ".md", ".html", ".css", ".js", ".j2", ".json", ".conf", ".service", ""}
    files = [ROOT / name for name in names if name and Path(name).suffix in endings]
    return [file for file in files if file.is_file()]


def test_the_lock_names_no_package_index_and_pins_every_package_by_hash():
    lock = (ROOT / "requirements.lock").read_text()
    assert not re.search(r"https?://|file://|--(extra-)?index-url|--find-links", lock)
    pins = re.findall(r"(?m)^([a-z0-9][\w.-]*)(==\S+)?(.*(?:\n    .*)*)", lock)
    assert len(pins) > 50
    assert [name for name, version, rest in pins if not version or "--hash=sha256:" not in rest] == []


def test_the_lock_holds_everything_that_the_project_asks_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = project["project"]["dependencies"] + project["dependency-groups"]["dev"]
    names = {re.split(r"[\[<>=~! ]", line)[0].lower() for line in asked}
    locked = set(re.findall(r"(?m)^([a-z0-9][\w.-]*)==", (ROOT / "requirements.lock").read_text()))
    assert names - locked == set()


def test_no_tracked_file_names_a_package_index():
    index = re.compile(r"https?://(pypi|files\.python" + r"hosted|registry\.npmjs|deb\.debian)", re.IGNORECASE)
    assert [place(file) for file in tracked_text_files() if index.search(file.read_text(errors="replace"))] == []


def test_every_module_says_in_its_docstring_what_it_is_for():
    silent = [place(file) for file in product_files() if not ast.get_docstring(ast.parse(file.read_text()))]
    assert silent == []


def test_no_file_is_longer_than_a_reader_can_hold():
    sizes = {place(file): len(file.read_text().splitlines()) for file in product_files()}
    assert {name: lines for name, lines in sizes.items() if lines > LONGEST_FILE} == {}


def test_no_function_is_longer_than_a_screen():
    long = {}
    for file in product_files():
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > LONGEST_FUNCTION:
                    long[f"{place(file, node)} {node.name}"] = lines
    assert long == {}


def test_nothing_is_left_to_do_in_a_comment():
    mark = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b")
    found = [
        f"{place(file)}:{number}"
        for file in tracked_text_files()
        for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1)
        if mark.search(line) and file.name != "requirements.lock"
    ]
    assert found == []


def test_tests_are_no_packages_so_that_a_folder_tests_hub_never_hides_hub():
    assert [place(file) for file in (ROOT / "tests").rglob("__init__.py")] == []


def test_every_noqa_and_type_ignore_names_its_rule():
    bare = re.compile(r"#\s*noqa(?!:)|#\s*type:\s*ignore(?!\[)")
    found = [
        f"{place(file)}:{number}"
        for file in product_files()
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if bare.search(line)
    ]
    assert found == []


def ruff_rules(filename, source):
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--output-format", "concise", "--stdin-filename", filename, "-"],
        input=source,
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    return set(re.findall(r"\b[A-Z]{2,}\d{3}\b", done.stdout))


@pytest.mark.parametrize("folder", ["rules", "connectors/codecs", "hub/vocabulary"])
@pytest.mark.parametrize(
    "source",
    [
        "import time\n",
        "from time import monotonic\n",
        "import random\n",
        "import os\n",
        "from datetime import UTC, datetime\n\nSTART = datetime.now(UTC)\n",
        "from uuid import uuid4\n",
        "import secrets\n",
        "from pathlib import Path\n",
    ],
)
def test_pure_folders_may_not_have_a_clock_chance_or_environment(folder, source):
    assert "TID251" in ruff_rules(f"{folder}/new.py", f'"""A new file."""\n\n{source}')


def test_other_folders_may_have_a_clock():
    assert "TID251" not in ruff_rules("hub/pipeline/new.py", '"""A new file."""\n\nimport time\n')


FORBIDDEN_IMPORTS = [
    ("hub/pipeline/bad.py", "import connectors"),
    ("hub/store/bad.py", "import rules"),
    ("hub/tickets/bad.py", "import hub.cards"),
    ("hub/vocabulary/bad.py", "import hub.store"),
    ("hub/registry/bad.py", "import hub.pipeline"),
    ("connectors/bad.py", "import sqlalchemy"),
    ("connectors/bad.py", "import hub.registry"),
    ("connectors/bad.py", "import api"),
    ("rules/bad.py", "import hub.tickets"),
    ("rules/bad.py", "import paho.mqtt.client"),
    ("rules/bad.py", "import socket"),
    ("connectors/codecs/bad.py", "import pymodbus"),
    ("simulators/bad.py", "import hub.vocabulary"),
    ("simulators/bad.py", "import connectors"),
    ("api/bad.py", "import rules"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("file", "statement"), FORBIDDEN_IMPORTS)
def test_an_import_in_the_wrong_direction_breaks_a_contract(tmp_path, file, statement):
    """On a skeleton of the tree, so that only this one import can be the reason."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in PACKAGES:
        for source in (ROOT / package).rglob("__init__.py"):
            target = tmp_path / source.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text('"""Empty."""\n')
    for name in ("__main__", "settings"):
        path = tmp_path / "hub" / f"{name}.py"
        if not path.with_suffix("").is_dir():
            path.write_text('"""Empty."""\n')
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}

    def lint():
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    clean = lint()
    assert clean.returncode == 0, clean.stdout + clean.stderr
    (tmp_path / file).write_text(f'"""Wrong."""\n\n{statement}\n')
    broken = lint()
    assert broken.returncode == 1, broken.stdout + broken.stderr
    assert "BROKEN" in broken.stdout
