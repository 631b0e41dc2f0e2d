#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# telar graph: text for people, JSON that is whole and says what the plan of memory claims, DOT that graphviz takes.
. "$TEST_SRCDIR/tests/tap.sh"

small="-o width=8"

run graph lenet; is 0 "text" "As recorded:" "After the passes:" "Steps (" "conv2d" "f32 1x6x28x28" "place" "out0"
point "$(printf '%s\n' "$output" | sed -n '/^As recorded/,/^$/p' | awk 'NR > 1 && NF { w = index($0, "f32 ") ? index($0, "f32 ") : index($0, "shape"); if (NR > 2 && w != last) bad = 1; last = w } END { print bad + 0 }')" \
    "its columns are straight"
run graph lenet --part steps; is 0 "the steps alone" "Steps ("
case $output in *"As recorded"* | *"After the passes"*) point 1 "and nothing else" ;; *) point 0 "and nothing else" ;; esac
run graph lenet --part recorded --batch 3; is 0 "another batch" "As recorded:" "in0 f32 3x1x28x28"
run graph mlp --mode train; is 0 "a training step" "adam" "nll_loss_grad" "kept" "outside"
run graph mlp --mode train --optimizer sgd; is 0 "with another optimizer" "sgd"
run graph gan --mode train --part nodes; is 0 "an update of the model's own" "adam"
# A person reads it in a terminal.
run graph vgg16 $small --part steps
point "$(printf '%s\n' "$output" | awk 'length($0) > 132 { bad = 1 } END { print bad + 0 }')" "the steps of vgg16 take 132 columns at most"
output=$(TELAR_PASSES=-all "$telar" graph lenet --format json 2>&1)
status=$?
is 0 "without passes"
json_lines "which is JSON"

# What JSON says must hold: numbers of values and buffers are there, results in the shared memory lie apart while they live.
check='
import json, sys
d = json.load(sys.stdin)
values, buffers = d["values"], d["buffers"]
assert [v["value"] for v in values] == list(range(len(values)))
flat = [n for list in (d["recorded"], d["nodes"]) for g in list for n in g.get("group", [g])]
for n in flat:
    assert n["op"] and isinstance(n["attributes"], dict)
    for o in n["inputs"] + n["outputs"]:
        assert not o or (0 <= o["value"] < len(values) and o["dtype"] and all(s >= 0 for s in o["shape"]))
assert len(d["recorded"]) >= len(d["nodes"]) > 0 or sys.argv[1:] == ["folded"]
for i, s in enumerate(d["steps"]):
    assert s["kind"] in ("kernel", "reorder", "transfer", "call") and isinstance(s["constant"], bool)
    assert s["kind"] != "kernel" or s["kernel"]
    for o in s["inputs"] + s["outputs"]:
        b = buffers[o["buffer"]] if "buffer" in o else None
        assert not b or b["first"] <= i <= b["last"], (i, b)
shared = [b for b in buffers if "offset" in b and not b["lasting"] and b["bytes"] and "takes_over" not in b]
for i, a in enumerate(shared):
    assert a["offset"] + a["bytes"] <= d["arena"]
    for b in shared[i + 1:]:
        together = a["first"] <= b["last"] and b["first"] <= a["last"] and a["device"] == b["device"]
        assert not together or a["offset"] + a["bytes"] <= b["offset"] or b["offset"] + b["bytes"] <= a["offset"], (a, b)
print(len(d["steps"]), "steps")
'
holds() { # NAME MODEL AND OPTIONS…
    name=$1
    shift
    if command -v python3 >/dev/null 2>&1; then
        output=$("$telar" graph "$@" --format json 2>&1 | python3 -c "$check" $folded 2>&1)
        status=$?
        is 0 "$name" "steps"
    else
        skip "$name" "no python3"
    fi
}
folded=
holds "lenet: JSON says what is so" lenet
holds "mlp, a training step" mlp --mode train
holds "lstm, a training step" lstm -o hidden=8,vocabulary=9 --input 5 --mode train
holds "on the reference" lenet --device reference
folded=folded
holds "resnet18" resnet18 $small
holds "resnet18, a training step" resnet18 $small --mode train --batch 2
holds "squeezenet1_1" squeezenet1_1 --input 3x64x64

for part in recorded nodes steps all; do
    run graph resnet18 $small --format dot --part $part; is 0 "dot of $part" "digraph program {" "conv2d"
    if command -v dot >/dev/null 2>&1; then
        output=$(printf '%s\n' "$output" | dot -Tsvg 2>&1)
        status=$?
        is 0 "graphviz draws it" "</svg>"
    else
        skip "graphviz draws it" "no graphviz"
    fi
done
run graph resnet18 $small --mode train --format dot; is 0 "dot of a training step" "digraph" "of input 0" "stand alone"

run graph; is 2 "a model is needed" "expected MODEL"
run graph lenet --format svg; is 2 "an unknown format" "text, dot, json"
run graph lenet --part half; is 2 "an unknown part" "recorded"
run graph lenet --input 1xx3; is 2 "an impossible shape" "1x28x28"
run graph lenet --input 3x28x28; is 1 "a shape that the model does not take" "telar: "
run graph lennet; is 1 "an unknown model" "lenet"
"$telar" graph lenet >/dev/full 2>err
status=$? output=$(cat err)
is 1 "where nothing can be written" "cannot be written"
done_testing
