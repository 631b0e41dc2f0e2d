#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make report.txt: labels, predictions and what scikit-learn's classification_report says of them.

    python3 make_report.py > report.txt

A case is a line "case CLASSES SAMPLES DIGITS ZERO_DIVISION", the names of the classes, one a line, a line of labels, a line of
predictions, the number of lines of the report, and the report.
"""
import re
import warnings

import numpy as np
from sklearn.metrics import classification_report

warnings.filterwarnings("ignore")
rng = np.random.default_rng(7)
cases = []


def case(names, truth, predicted, digits=2, zero=0.0):
    cases.append((names, list(map(int, truth)), list(map(int, predicted)), digits, zero))


truth = rng.integers(0, 10, 360)
noisy = np.where(rng.random(360) < 0.06, rng.integers(0, 10, 360), truth)
case([str(i) for i in range(10)], truth, noisy)
case([str(i) for i in range(10)], truth, noisy, digits=4)
case(["setosa", "versicolor", "virginica"], [0, 0, 1, 1, 2, 2], [0, 0, 1, 2, 2, 1])
case(["never predicted", "b"], [0, 0, 1], [1, 1, 1])                 # no prediction of class 0: 0 / 0
case(["never predicted", "b"], [0, 0, 1], [1, 1, 1], zero=1.0)
case(["never predicted", "b"], [0, 0, 1], [1, 1, 1], zero=float("nan"))
case(["a", "never true", "c"], [0, 0, 2], [0, 1, 2])                 # no sample of class 1
case(["a", "never true", "c"], [0, 0, 2], [0, 1, 2], zero=1.0)
case(["a", "absent", "c"], [0, 2, 2], [0, 2, 0])                     # class 1 neither true nor predicted: left out
case(["all wrong", "b"], [0, 0, 1, 1], [1, 1, 0, 0])
case(["only"], [0, 0], [0, 0], digits=3)
case(["ein sehr langer Name", "größer"], [0, 1, 1], [0, 1, 0])

for names, truth, predicted, digits, zero in cases:
    # Telar leaves out classes that do not appear; scikit-learn wants them named.
    present = sorted(set(truth) | set(predicted))
    text = classification_report(truth, predicted, labels=present, target_names=[names[i] for i in present], digits=digits,
                                 zero_division=zero)
    # When nothing at all is right, scikit-learn prints the supports as floats: "2.0". They are counts.
    lines = [re.sub(r"  (\d+)\.0$", r"    \1", line) for line in text.rstrip("\n").split("\n")]
    print("case", len(names), len(truth), digits, zero)
    print("\n".join(names))
    print(*truth)
    print(*predicted)
    print(len(lines))
    print("\n".join(lines))
