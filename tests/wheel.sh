#!/bin/sh
# The wheel, installed into an empty environment, makes a report there: templates, entry points and all.
set -eu
wheel=$(ls -t dist/reportgen-*.whl | head -n 1)
here=$(pwd)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --upgrade "pip>=25.1"
"$place/venv/bin/python" -m pip install --quiet --constraint constraints.txt torch
"$place/venv/bin/python" -m pip install --quiet --constraint constraints.txt "$here/$wheel"
cd "$place"
cat > mine.py <<'PY'
import torch
from torch import nn


def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))


def data():
    from sklearn.datasets import load_iris

    found = load_iris()
    return torch.tensor(found.data, dtype=torch.float32), torch.tensor(found.target)
PY
venv/bin/reportgen generate --model mine.py:model --data mine.py:data --samples 2 \
  --out report.html --out report.pdf --out report.json
venv/bin/python - <<'PY'
import reportgen

reports = [reportgen.load(f"report.{suffix}") for suffix in ("html", "pdf", "json")]
assert reports[0] == reports[1] == reports[2], "the three files differ"
assert not reports[0].failed, reports[0].failed
assert "site-packages" in reportgen.__file__, reportgen.__file__
print("the wheel makes a report")
PY
