#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The program telar: every command once, exit codes, JSON, and what it says of mistakes.
. "$TEST_SRCDIR/tests/tap.sh"

# ---- Help -------------------------------------------------------------------------------------------------------------------
run; is 2 "no command: usage" "usage: telar COMMAND"
run --version; is 0 "--version" "telar "
run --help; is 0 "--help" "commands:" "train"
run help environment; is 0 "help environment" "TELAR_BACKEND" "TELAR_PLUGIN_PATH" "LeakSanitizer"
for command in backends models data summary train eval predict generate fetch inspect convert bench graph doctor; do
    run $command --help; is 0 "$command --help" "usage: telar $command" "examples:"
done
run help --man telar.1; is 0 "the manual page" ".TH TELAR 1" ".SS \"telar train"
if command -v man >/dev/null 2>&1 && command -v groff >/dev/null 2>&1; then
    printf '%s\n' "$output" >telar.1
    output=$(groff -man -Tutf8 -ww -z telar.1 2>&1); [ -z "$output" ]; point $? "the manual page is clean"
fi
for shell in bash zsh fish; do
    run completion $shell; is 0 "completion $shell" "summary"
    if command -v $shell >/dev/null 2>&1; then
        printf '%s\n' "$output" >completion
        $shell -n completion 2>/dev/null; point $? "completion $shell: $shell reads it"
    fi
done
if command -v bash >/dev/null 2>&1; then
    output=$(bash -c 'telar() { "$0" "$@"; }; eval "$("$0" completion bash)"; COMP_WORDS=(telar tr) COMP_CWORD=1; _telar; echo "${COMPREPLY[@]}"
        COMP_WORDS=(telar train --optimizer ada) COMP_CWORD=3; _telar; echo "${COMPREPLY[@]}"
        : >"a table.csv"; for line in "train --data a" "data di" "data ./a" "train --device ref" "train --device a" "models ml"; do
            COMP_WORDS=(telar $line) COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _telar; printf "%s: %s.\n" "$line" "${COMPREPLY[0]}"
        done' "$telar")
    status=0; is 0 "bash completes commands and choices" "train" "adam adamw adadelta"
    is 0 "bash completes names and files" "train --data a: a table.csv." "data di: digits." "data ./a: ./a table.csv." \
        "train --device ref: reference." "train --device a: ." "models ml: mlp."
fi
PATH=$TEST_BUILDDIR/cli:$PATH
if command -v fish >/dev/null 2>&1; then
    output=$(HOME=$work fish -c 'telar completion fish | source; for line in "tr" "train -O ada" "data di" "data ./t" "train --device " "help do"
            echo "$line:" (complete -C "telar $line" | cut -f 1); end' 2>&1)
    status=0; is 0 "fish completes commands, choices and names" "tr: train" "train -O ada: adadelta adam adamw" "data di: digits" \
        "train --device : cpu" " reference" "help do: doctor"
fi
if command -v zsh >/dev/null 2>&1; then
    # The completion system itself needs a terminal; what it is told does not.
    output=$(zsh -f -c 'compdef() { }; _arguments() { print -rl -- "$@" }; eval "$(telar completion zsh)"
        words=(telar train -O ada) CURRENT=4; _telar
        compadd() { print -r -- "${(P)2}" }; _telar_models' 2>&1)
    status=0; is 0 "zsh is told of options and names" "(-O --optimizer)-O[" ":NAME:(sgd adam adamw" "1:argument:_telar_models" "mlp"
fi

# ---- Mistakes on the command line ---------------------------------------------------------------------------------------------
run trian; is 2 "an unknown command" "did you mean telar train?"
run train --epoch 3; is 2 "an unknown option" "did you mean --epochs?"
run train --epochs; is 2 "an option without its value" "needs a value"
run train --epochs three; is 2 "an option that is no number" "whole number"
run train --epochs 0; is 2 "an option out of range" "from 1 to"
run train --epochs 99999999999999999999; is 2 "an option out of all range" "from 1 to"
run train --lr nan; is 2 "a learning rate of nan" "from 0 to"
run train --optimizer adan; is 2 "an unknown optimizer" "did you mean adam"
run train --quiet=yes; is 2 "a value where none belongs" "takes no value"
run train -Z; is 2 "an unknown letter" "unknown option -Z"
run train a b; is 2 "too many arguments" "unexpected argument \"b\""
run summary; is 2 "too few arguments" "expected MODEL"
run eval digits-cnn; is 2 "eval without weights" "--weights"
run train digits-cnn --plot curve.jpg; is 2 "a picture of a kind that is not drawn" ".svg or .png"
run train digits-cnn --save weights.txt; is 2 "weights of a kind that is not written" "--save: cannot write \"weights.txt\"" ".safetensors"
run summary lenet --input 1xx3; is 2 "an impossible shape" "1x28x28"

# ---- Lists ---------------------------------------------------------------------------------------------------------------------
run models; is 0 "models" "digits-cnn" "lenet" "mnist-cnn" "mlp" "resnet18               11.7 M    1.81 G  classify              IMAGENET1K_V1"
printf '%s\n' "$output" | awk 'length > 100 { wide = 1 } END { exit wide }'; point $? "models fits in 100 columns"
run models --json; is 0 "models --json" '{"name":"mlp"' '"parameters":11689512,"multiply_adds":1814073344,"input":[3,224,224]'; json_lines "models --json is JSON"
run models mlp; is 0 "models mlp" "hidden" "activation" "17.2 k parameters, 17.0 k multiply-adds for an input of 64"
output=$(TELAR_BACKEND=nowhere "$telar" models 2>&1); status=$?; is 0 "models opens no backend" "digits-cnn"
run models nlp; is 1 "an unknown model" "did you mean \"mlp\""
run data; is 0 "data" "digits" "wine"
run data --json; json_lines "data --json is JSON"
run data digits; is 0 "data digits" "1797 samples" "classes: 10"
run data digist; is 1 "an unknown data set" "did you mean \"digits\"?"
run data ./nothing.csv; is 1 "a missing file" "No such file"
run backends; is 0 "backends" "reference" "default device"
run backends --json; json_lines "backends --json is JSON"
run data wine; is 0 "data wine lists options" "--data-option NAME=VALUE" "label" "text" "auto, classes, numbers"
run data mnist; is 1 "the options of a set whose files are not here, too" "train-images" "raw"
run data wine --data-option lable=ash; is 1 "a misspelt option of a data set" "did you mean \"label\""
run data digits --label 3; is 1 "an option that a data set does not have" "no option \"label\"" "it has: raw, standardize"
run models mlp --json; is 0 "tasks and roles in JSON" '"tasks":["classify","regress"]' '"role":"features"'
run doctor; is 0 "doctor" "plugins" "all is well"
run doctor --json; is 0 "doctor --json" '"plugins":['; json_lines "doctor --json is JSON"
run bench lenet --device refrence; is 1 "an unknown backend" "did you mean \"reference\"?"
run summary lenet -o input=32; is 0 "summary" "61,706" "[1, 16, 10, 10]" "memory to run:   302.1 KiB: parameters 241.0 KiB" "MiB with adam: besides"
run summary lenet --json; is 0 "summary --json" '"memory":{"parameters":246824,"buffers":0,' '"optimizer":"adam","untrained":null,"gradients":246824,"state":493648,'
json_lines "summary --json is JSON"
run summary lenet --optimizer sgd --momentum 0.9; is 0 "summary for another optimizer" "state 241.0 KiB"
run summary resnet18 --input 3x32x32; is 0 "summary of what one sample cannot train" "memory to train: not known, since a step of adam cannot be walked"
run summary dcgan --json; is 0 "summary with the usual optimizer" '"optimizer":"adam"'
output=$(TELAR_BACKEND=nowhere "$telar" summary vgg16 2>&1); status=$?; is 0 "summary opens no backend" "138,357,544" "15,470,264,320"
run summary vgg11 --input 3x40x24 -o width=8,hidden=8
is 1 "summary goes as far as it can" "18: Conv2d" "[1, 64, 2, 1]" "20: MaxPool2d" "(failed)" "telar: features.20: MaxPool2d, given [1 x 64 x 2 x 1]: "
output=$("$telar" summary vgg11 --input 3x40x24 -o width=8,hidden=8 --json 2>err); status=$?; is 1 "and as JSON" '"failed":true'; json_lines "which it is"
run train mlp --data digits -o hiden=32; is 1 "of one that gets data, too" "telar: model mlp has no option \"hiden\"; did you mean \"hidden\"?"
run summary lenet -o inputt=32; is 1 "an unknown option of a model" "did you mean \"input\""

# ---- Training -------------------------------------------------------------------------------------------------------------------
run train mlp --data digits --epochs 4 --seed 11 --save whole.safetensors --history whole.csv
is 0 "train" "seed:      11" "4/4" "f1-score" "saved:   whole.safetensors"
run train mlp --data digits --epochs 2 --seed 11 --save half.safetensors --quiet; is 0 "train --quiet"
run train --resume half.safetensors --epochs 4 --save rest.safetensors --json; is 0 "train --resume"; json_lines "train --json is JSON"
[ "$(grep -c . whole.csv)" = 5 ]; point $? "the history has a line for each epoch"
"$telar" inspect --json whole.safetensors >/dev/null; point $? "inspect --json"
cut_weights() { # FILE: bytes of its tensors, which are in the same order
    python3 -c 'import json, struct, sys
b = open(sys.argv[1], "rb").read()
n = struct.unpack("<Q", b[:8])[0]
h = json.loads(b[8:8 + n])
for k in sorted(h):
    if not k.startswith("__") and k not in ("telar.history",): sys.stdout.buffer.write(k.encode() + b[8 + n + h[k]["data_offsets"][0]:8 + n + h[k]["data_offsets"][1]])' "$1"
}
if command -v python3 >/dev/null 2>&1; then
    cut_weights whole.safetensors >a; cut_weights rest.safetensors >b
    [ -s a ] && cmp -s a b; point $? "2 epochs and 2 more give the bits of 4"
fi
run train --resume whole.safetensors --epochs 4 --save same.safetensors; is 0 "train --resume where nothing is left to do" "nothing to do: already at epoch 4"
[ -s same.safetensors ]; point $? "which saves all the same"
cp half.safetensors on.safetensors
run train --resume on.safetensors --epochs 4; is 0 "train --resume without --save" "resumed after epoch 2" "saved:   on.safetensors"
if command -v python3 >/dev/null 2>&1; then
    cut_weights on.safetensors >b; cmp -s a b; point $? "saves to the file that it read"
fi
run train --resume half.safetensors --epochs 3 --device reference; is 0 "train --resume on another backend" "the last bits may differ"
run convert whole.safetensors copy.safetensors; is 0 "convert" "copy.safetensors: "
if command -v python3 >/dev/null 2>&1; then
    cut_weights copy.safetensors >b; cmp -s a b; point $? "which keeps every bit"
fi
"$telar" inspect whole.safetensors >a; "$telar" inspect copy.safetensors >b; output=$(diff a b); point $? "and every note"
run convert whole.safetensors whole.txt; is 1 "convert to an unknown format" "whole.txt" "end with: .n" ".safetensors"
run convert none.safetensors copy.safetensors; is 1 "convert of a missing file" "none.safetensors"
run convert whole.safetensors; is 2 "convert without a place to write to" "expected FROM TO"
run convert whole.safetensors nowhere/x.safetensors; is 1 "convert into a folder that does not exist" "nowhere"
mkdir -p modes/models modes/modles shown/models; : >modes/x.so; : >modes/modles/y.so; cp "$TEST_BUILDDIR/models/mlp/.libs/mlp.so" shown/models/
output=$(TELAR_PLUGIN_PATH="$work/modes:$work/nowhere:relative:$work/shown" "$telar" doctor 2>&1); status=$?
is 0 "doctor tells of everything odd" "nowhere (does not exist)" "relative (is ignored: not an absolute path)" "modes/x.so is left out" \
    "modes/modles/ is not looked into" "shown/models/mlp.so hides "
mkdir -p crooked/models; cp "$TEST_BUILDDIR/tests/crooked/.libs/models.so" crooked/models/crooked.so
output=$(TELAR_PLUGIN_PATH="$work/crooked" "$telar" models three 2>&1); status=$?
is 0 "models lists weights" "SHA-256 BA7816BF" "SHA-256 ba7816bf…" "https://example.org/weights/abc.bin" "three bytes"
[ "$(printf '%s\n' "$output" | grep -c 'see telar doctor')" = 1 ]; point $? "and a plugin with flaws is warned of once"
output=$(TELAR_PLUGIN_PATH="$work/crooked" "$telar" train three --data wine --weights elsewhere 2>&1); status=$?
is 1 "weights by a name that the model lists" "https://example.org/not-here.safetensors" "telar fetch three:elsewhere gets them"
output=$(TELAR_PLUGIN_PATH="$work/crooked" "$telar" train three --data wine --weights elswhere 2>&1); status=$?
is 1 "by one that it does not" "lists the weights abc, first-digits, elsewhere, and there is no such file"
output=$(TELAR_PLUGIN_PATH="$work/crooked" "$telar" models tight 2>&1); status=$?
is 0 "models lists what weights need" "with the options in=3"
table='{"fc.weight":{"dtype":"F32","shape":[3,4],"data_offsets":[0,48]},"fc.bias":{"dtype":"F32","shape":[3],"data_offsets":[48,60]}}'
{ printf "\\$(printf %o ${#table})\\0\\0\\0\\0\\0\\0\\0%s" "$table"; head -c 60 /dev/zero; } >narrow.safetensors
{ echo a,b,c,d,class; for i in 1 2 3 4; do printf '1,2,3,4,x\n2,3,4,5,y\n3,4,5,6,z\n'; done; } >four.csv
narrow() { output=$(TELAR_DATA=$work TELAR_PLUGIN_PATH="$work/crooked" "$telar" train tight --data four.csv --label class --epochs 1 "$@" 2>&1); status=$?; }
narrow; is 0 "the data set a model's options" "tight (in=4)"
narrow --weights narrow; is 0 "listed weights set them" "tight (in=3)"
narrow --weights narrow -o in=5; is 0 "and the user" "tight (in=5)"
narrow --weights narrow -o more=2; is 0 "beside them" "tight (in=3,more=2)"
formed() { # COMMAND …: a model whose weights want another form of pictures than it has by itself
    output=$(TELAR_DATA=$work TELAR_PLUGIN_PATH="$work/crooked" "$telar" "$@" 2>/dev/null); status=$?
}
if "$telar" data "$TEST_SRCDIR/tests/golden/pictures/birds/rgb.png" >/dev/null 2>&1; then
    mkdir -p few/a few/b; cp "$TEST_SRCDIR"/tests/golden/pictures/birds/*.png few/a; cp "$TEST_SRCDIR"/tests/golden/pictures/cats/*.jp*g few/b
    of="--data folder --path few --data-option height=4,width=4"
    formed train formed $of --seed 1 --epochs 1 -o out=2 --quiet --save plain.safetensors; is 0 "pictures in the model's own form"
    cp plain.safetensors wide.safetensors
    formed train formed $of --seed 1 --epochs 1 -o out=2 --weights wide --lr 0 --quiet --save tuned.safetensors; is 0 "and in that of listed weights"
    formed inspect tuned.safetensors; is 0 "which are noted" "telar.weights = wide" "telar.options = more=1,out=2"
    loss() { formed eval "$@" --json; printf '%s\n' "$output" | sed 's/.*"loss":\([^,]*\),.*/\1/'; }
    own=$(loss --weights plain.safetensors $of) listed=$(loss formed --weights wide $of -o out=2) tuned=$(loss --weights tuned.safetensors $of)
    [ -n "$own" ] && [ "$own" != "$listed" ] && [ "$listed" = "$tuned" ]; point $? "so that pictures are seen as they were ($own $listed $tuned)"
else
    skip "the form of pictures" "the plugin folder is not built"
fi
output=$(TELAR_PLUGIN_PATH="$work/crooked" "$telar" doctor 2>&1); status=$?
is 0 "doctor names what is wrong in a plugin" "BAD  model    crooked" "model 'no-build': build is NULL"
run inspect whole.safetensors; is 0 "inspect" "0.weight" "[128, 64]" "telar.model = mlp" "telar.seed = 11"
run train digits-cnn -o width=8 --epochs 1 --seed 1 --quiet --save thin.safetensors; is 0 "train with an option"
run eval --weights thin.safetensors -o dropout=0.5 --json; is 0 "an option beside those that the file notes" '"model":"digits-cnn"'
run eval --weights whole.safetensors --confusion; is 0 "eval by the file's own notes" "mlp on digits (test)" "weighted avg" "<- predicted"
run eval --weights whole.safetensors --json; is 0 "eval --json" '"accuracy":'; json_lines "eval --json is JSON"
run predict --weights whole.safetensors --count 2 --seed 1; is 0 "predict" "sample" "%" "█"
run predict --weights whole.safetensors --count 2 --json; is 0 "predict --json" '"best":[{"index":' '"probabilities":['; json_lines "predict --json is JSON"
pictures=$TEST_SRCDIR/tests/golden/pictures
run train digits-cnn --epochs 1 --quiet --save pictures.safetensors; is 0 "train for pictures"
if "$telar" data "$pictures/birds/rgb.png" >/dev/null 2>&1; then
    run predict --weights pictures.safetensors "$pictures/birds/rgb.png" "$pictures/cats/grey.JPG"
    is 0 "predict pictures" "rgb.png: " "grey.JPG: " "█"
    run predict --weights pictures.safetensors "$pictures/birds/rgba.png" --json; is 0 "predict a picture --json" '"file":' '"best":[{"index":' '"probabilities":['
    json_lines "predict a picture --json is JSON"
    run predict --weights pictures.safetensors none.png "${pictures}_two.jpg" "$pictures/birds/grey.png"
    is 1 "pictures that fail do not keep others back" 'cannot open "none.png"' "pictures_two.jpg" "grey.png: "
    run predict --weights whole.safetensors "$pictures/birds/grey.png"; is 1 "a model that takes no pictures" "its input is [64]"
fi
run predict --weights pictures.safetensors a.png b.txt; is 2 "not a picture" "unexpected argument \"b.txt\""
run predict --weights pictures.safetensors a.png --count 2; is 2 "options of data with pictures" "--count is for samples"
run train mlp --data wine --standardize -o hidden=16 --epochs 3 --quiet; is 0 "a table: the sizes come from the data"
numbers="--data wine --label alcohol --data-option drop=class --standardize -o hidden= --lr 0.1 --batch 16 --epochs 60 --seed 1"
# shellcheck disable=SC2086
run train mlp $numbers --save numbers.safetensors; is 0 "numbers to predict: a regression" "abs. error" "R² 0." "mean absolute error 0." "out=1"
run eval --weights numbers.safetensors --json; is 0 "eval of a regression by the notes" '"task":"regress"' '"mean_absolute_error":0.'; json_lines "which is JSON"
printf '%s\n' "$output" | awk -F'"r2":' '{exit !($2 + 0 > 0.45)}'; point $? "which explains half of the variance"
run predict --weights numbers.safetensors --count 2 --seed 1; is 0 "predict shows numbers" "(it is 1"
run predict --weights numbers.safetensors --count 2 --seed 1 --json; is 0 "and as JSON" '"output":[1' '"target":[1'; json_lines "which it is"
cp "$TEST_SRCDIR/plugins/data/tables/wine.csv" other.csv
same="--label alcohol --data-option drop=class"
# shellcheck disable=SC2086
run eval --weights numbers.safetensors --data ./other.csv $same --standardize; is 0 "another table's own statistics are told" "standardized by its own mean" "not by those of wine"
# shellcheck disable=SC2086
run eval --weights numbers.safetensors --data ./other.csv $same; is 0 "a table that is not standardized, too" "trained on wine, standardized; ./other.csv is not"
run train mlp $numbers --hold-out 0.25 --quiet; is 0 "numbers can be held out"
run train lenet --data wine --label alcohol --data-option drop=class; is 1 "numbers for a model that classifies" "needs data with classes; these have 1 number"
run train mlp --data wine --label alcohol; is 1 "text among the features" "the option drop"
run train mlp --data wine --data-option target=numbers; is 1 "text as numbers" "target=numbers" "class_0"
run train digits-cnn --data wine; is 1 "data that do not fit" "data set wine: model digits-cnn" "64 values a sample; the data have 13"
printf 'a,b\n0,1\n1,3\n2,5\n3,7\n4,9\n5,11\n6,13\n7,15\n8,17\n9,19\n' >line.csv
run data line.csv; is 0 "a table of numbers" "numbers to predict: 1 a sample"
run data line.csv --data-option target=classes; is 0 "which are classes if the user says so" "classes: 10"
run bench mlp --batch 8 --runs 3 --seconds 0 --json; is 0 "bench --json" '"median_ms":' '"min_ms":' '"gflops":' '"peak_bytes":' '"name":"mlp"'
json_lines "bench --json is JSON"
run bench mlp --batch 8 --mode train --runs 3 --seconds 0; is 0 "bench --mode train" "training step"

# ---- Models that are not as they should be ----------------------------------------------------------------------------------------
mkdir -p odd/models && cp "$TEST_BUILDDIR/tests/odd/.libs/odd.so" odd/models/
TELAR_PLUGIN_PATH=$work/odd
export TELAR_PLUGIN_PATH
run models; is 0 "one that cannot be built does not hide the others" "odd-empty                   -         -" "resnet18"
run models odd-empty --json; is 0 "and has no numbers" '"parameters":null,"multiply_adds":null,"input":null,'; json_lines "in JSON either"
run summary odd-empty; is 1 "a model whose build gives nothing" "odd-empty: build() gave NULL"
run bench odd-empty; is 1 "bench of it" "odd-empty: build() gave NULL"
run bench odd-step --runs 2 --seconds 0; is 0 "bench: a forward pass takes no step" "odd-step, forward pass"
run bench odd-step --runs 2 --seconds 0 --mode train; is 1 "bench --mode train takes the model's own step" "the step slot was called"
run bench odd-preprocess --runs 2 --seconds 0; is 0 "bench: random input is in the network's form" "odd-preprocess, forward pass"
run bench odd-preprocess --runs 2 --seconds 0 --data digits; is 1 "bench --data preprocesses" "the preprocess slot was called"
run bench odd-mirror --runs 2 --seconds 0 --data digits --batch 8 --mode train; is 0 "bench --data --mode train" "odd-mirror, training step, batch 8"
run bench mlp --batch 8 --mode train --runs 3 --seconds 0 --compile; is 0 "bench --mode train --compile" "mlp, training step as a program"
run bench mlp --batch 8 --runs 3 --seconds 0 --compile --json; is 0 "bench --compile" '"compiled":true'
run bench mlp --data digits --input 64; is 2 "bench: the data's shape or one's own" "exclude each other"
run train odd-mirror --epochs 2 --seed 1 --save mirror.safetensors; is 0 "train a model that reconstructs" "saved:   mirror.safetensors"
case $output in *"


"*) false ;; *) true ;; esac; point $? "no two empty lines"
run predict --weights mirror.safetensors --count 1 --seed 1; is 0 "predict by a model that reconstructs" "input and output" "█"
wide=$(printf '%s\n' "$output" | awk 'NR == 2 {print (length($0) >= 40)}'); rows=$(printf '%s\n' "$output" | wc -l)
[ "$wide" = 1 ] && [ "$rows" = 9 ]; point $? "draws both pictures side by side"
run train odd-named --freeze '*' --replace last=10 --cache-features --epochs 1 --seed 1; is 0 "a step that needs all layers is not asked of one" "the training step of odd-named needs all of its layers" "accuracy"
run train odd-update --freeze '*' --replace last=10 --cache-features; is 1 "an update of one's own has no features" "descends in a way of its own"
run predict odd-forward --weights mirror.safetensors --data digits --count 2; is 1 "predict takes the model's own forward, with all fields" "the forward slot was called with 2 tensors"
run predict --weights mirror.safetensors --count 2 --json; is 0 "predict --json" '"mean_squared_error":'; json_lines "which is JSON"
mkdir -p mirrored/more; cp "$TEST_SRCDIR"/tests/golden/pictures/birds/*.png mirrored/more; echo none >mirrored/damaged.png; found=$(find mirrored/more -name "*.png" | wc -l)
if "$telar" data mirrored/more/rgb.png >/dev/null 2>&1; then
    run predict --weights mirror.safetensors mirrored/ --batch 1 --quiet --output mirrored.pgm
    is 1 "pairs of a folder's pictures" "damaged.png" "more/rgb.png: input and output"
    [ "$(sed -n 2p mirrored.pgm)" = "$((8 * 10 + 2)) $(((found + 3) / 4 * 10 + 2))" ]; point $? "are written, without those that cannot be read"
    run predict --weights mirror.safetensors mirrored/damaged.png --output unread.pgm; is 1 "no picture that can be read" "damaged.png"
    [ ! -e unread.pgm ]; point $? "nothing is written"
else
    skip "pairs of a folder's pictures" "the plugin folder is not built"
fi

# ---- Another format ----------------------------------------------------------------------------------------------------------------
mkdir -p odd/formats && cp "$TEST_BUILDDIR/tests/odd/.libs/records.so" odd/formats/
run convert whole.safetensors whole.records; is 0 "convert to another format" "whole.records: "
run convert whole.records back.safetensors; is 0 "and back"
output=$(cmp whole.safetensors back.safetensors 2>&1); point $? "gives the bytes that were"
run eval --weights whole.records; is 0 "eval of it" "mlp on digits"
run train mlp --data digits --epochs 2 --seed 11 --save half.records --quiet; is 0 "train --save in another format"
run train --resume half.records --epochs 4; is 0 "train --resume from there" "resumed after epoch 2" "saved:   half.records"
run convert half.records half.safetensors; is 0 "what it saved"
if command -v python3 >/dev/null 2>&1; then
    cut_weights whole.safetensors >c; cut_weights half.safetensors >b
    cmp -s c b; point $? "has the bits of 4 epochs at a time"
fi
head -c 3000 whole.records >short.records
run convert short.records x.safetensors; is 1 "convert of a truncated file" "short.records"
unset TELAR_PLUGIN_PATH

# ---- Files of PyTorch and NumPy ---------------------------------------------------------------------------------------------------
golden=$TEST_SRCDIR/tests/golden/weights
if [ -e "$TEST_BUILDDIR/plugins-tree/formats/pth.so" ]; then
    for ending in pth npz; do
        run convert whole.safetensors whole.$ending; is 0 "a checkpoint as .$ending" "whole.$ending: "
        run convert whole.$ending back.safetensors; is 0 "and back"
        output=$(cmp whole.safetensors back.safetensors 2>&1); point $? "gives the bytes that were"
    done
    run eval --weights whole.pth; is 0 "eval of .pth" "mlp on digits"
    run train mlp --data digits --epochs 1 --seed 11 --save half.pth --quiet; is 0 "train --save as .pth"
    run train --resume half.pth --epochs 2; is 0 "train --resume from there" "resumed after epoch 1" "saved:   half.pth"
    run inspect "$golden/checkpoint.pth"; is 0 "inspect a checkpoint" "module.fc.weight" "telar.rest.optimizer.state.0.momentum_buffer" \
        "telar.rest.epoch = 7" "collections.Counter" "understood"
    run inspect "$golden/bad_call.pth"; is 1 "inspect what calls something" "it would call posix.system" "posix.system" "REFUSED" "torch.FloatStorage"
    versions=$TEST_SRCDIR/tests/golden/torch
    run inspect "$versions/2.15.0-python3.11-adam.pth"; is 0 "and one of today" "telar.rest.optimizer.state.3.max_exp_avg_sq" \
        "telar.rest.optimizer.state.3.step" "telar.rest.optimizer.param_groups.0.lr = 0.25" "telar.rest.epoch = 7"
    run inspect "$versions/1.0.1-python3.6-module.pth"; is 1 "a whole module: every name of its pickle" "__main__.Whole       " \
        "torch.nn.backends.thnn._get_thnn_function_backend REFUSED" "collections.OrderedDict                     understood" \
        "torch._utils._rebuild_parameter " "torch._utils._rebuild_tensor_v2 " "torch.FloatStorage "
    output=$("$telar" inspect --json "$golden/bad_call.pth" 2>/dev/null); status=$?
    is 1 "for a program" '"name":"posix.system","known":false' '"name":"torch.FloatStorage","known":true' '"error":"'
    json_lines "inspect --json of a refused file"
    run convert "$golden/bad_call.pth" called.safetensors; is 1 "convert what calls something" "posix.system"
    [ ! -e called.safetensors ]; point $? "which writes nothing"
    run convert "$golden/weights.pth" one.npy; is 1 "many tensors as .npy" "one array"
else
    skip "files of PyTorch and NumPy" "Telar was built without zlib"
fi

# ---- Trouble with files -----------------------------------------------------------------------------------------------------------
run eval mlp --weights none.safetensors; is 1 "missing weights" "none.safetensors"
head -c 3000 whole.safetensors >short.safetensors
run eval --weights short.safetensors; is 1 "truncated weights" "short.safetensors"
run train --resume short.safetensors; is 1 "a truncated checkpoint" "short.safetensors"
run inspect short.safetensors; is 1 "inspect of a truncated file"
run convert short.safetensors copy.safetensors; is 1 "convert of a truncated file" "short.safetensors"
"$telar" inspect copy.safetensors >b; output=$(diff a b); point $? "which leaves the old file"
echo "hello" >text.safetensors
run inspect text.safetensors; is 1 "inspect of something else"
run inspect /; is 1 "inspect of a folder"
run eval digits-cnn --weights whole.safetensors --data digits; is 1 "weights of another model" "conv1.weight"
run train --resume whole.safetensors lenet --data digits --epochs 9; is 1 "a checkpoint of another model"
for file in "--save nowhere/x.safetensors" "--history nowhere/x.csv" "--plot nowhere/x.svg"; do
    # shellcheck disable=SC2086
    run train mlp --data digits $file --epochs 1; is 1 "$file: a folder that does not exist" "nowhere"
    case $output in *"1/1"*) false ;; *) true ;; esac; point $? "is told before training"
done
cp whole.safetensors disk.safetensors
output=$(ulimit -f 8; "$telar" train mlp --data digits --epochs 1 --quiet --save disk.safetensors 2>&1); status=$?
is 1 "a disk that is full while saving" "disk.safetensors"
cmp -s whole.safetensors disk.safetensors; point $? "the old checkpoint is intact"
if [ -c /dev/full ]; then
    output=$("$telar" models 2>&1 >/dev/full); status=$?
    is 1 "standard output that cannot be written" "cannot write"
fi
printf 'a,b,label\n1,2,x\n3,oops,y\n' >bad.csv
run data bad.csv; is 1 "a table with a word among numbers" "bad.csv"
: >empty.csv
run data empty.csv; is 1 "an empty table" "empty.csv"
output=$(TELAR_BACKEND=cqu "$telar" bench lenet 2>&1); status=$?
is 1 "an unknown backend in the environment" "did you mean \"cpu\"?"
if command -v gnuplot >/dev/null 2>&1; then
    run train mlp --data digits --epochs 2 --quiet --plot curve.svg
    [ -s curve.svg ]; point $? "--plot"
fi
# Past libtool's wrapper, which needs programs of PATH itself.
real=$TEST_BUILDDIR/cli/.libs/telar
[ -x "$real" ] || real=$telar
output=$(LD_LIBRARY_PATH=$TEST_BUILDDIR/core/.libs:$TEST_BUILDDIR/nn/.libs PATH=/nowhere "$real" train mlp --data digits --epochs 1 \
    --quiet --plot curve2.svg 2>&1)
status=$?
is 1 "--plot without gnuplot" "accuracy" "gnuplot"
# ---- Languages ---------------------------------------------------------------------------------------------------------------
text=$TEST_SRCDIR/tests/golden/language_text.txt
run summary lstm --batch 2 -o layers=2,embedding=0,vocabulary=30; is 0 "summary lstm: tokens" "rnn: LSTM" "[64, 2, 256]" "[2, 64, 30]"
run bench gru -o hidden=8,vocabulary=9 --mode train --runs 2 --seconds 0 --json; is 0 "bench gru: a training step" '"name":"gru"'
run data "text:$text"; is 0 "data text:FILE: the characters" "samples of shape [64]" '\n' "¿" "seq "
run data "text:$text" --json; is 0 "data text:FILE --json" '"classes":'; json_lines "and it is JSON"
run train lstm --data "text:$text" --data-option seq=16 -o hidden=24 -o embedding=12 --lr 0.02 --epochs 6 --batch 8 --seed 1 --save lm.safetensors
is 0 "train lstm" "vocabulary=23" "perplexity" "accuracy"
run eval --weights lm.safetensors; is 0 "eval of a language" "perplexity"
run generate --weights lm.safetensors --prompt 'la tela' --length 60 --temperature 0.3 --seed 4; first=$output
is 0 "generate" "la tela"
case $output in *telar*|*hilo*|*los*|*no*) point 0 "it writes words" ;; *) point 1 "it writes words" ;; esac
run generate --weights lm.safetensors --prompt 'la tela' --length 60 --temperature 0.3 --seed 4; [ "$output" = "$first" ]; point $? "the same seed, the same text"
run generate --weights lm.safetensors --length 10 --top-k 1 --json; is 0 "generate --json" '"text":'; json_lines "and it is JSON"
run generate --weights lm.safetensors --prompt 'la tela Q'; is 1 "a character that was not learnt" "has never seen what stands at byte 8" "Q"
run generate; is 2 "generate without weights" "which weights?"
run predict --weights lm.safetensors; is 1 "predict of a language" "telar generate"
run train lstm --data "text:$text" --data-option streams=4,seq=16 -o hidden=8,embedding=4 --epochs 1 --seed 1; is 0 "streams set the batch" "batches of 4"
run train lstm --data "text:$text" --data-option streams=4,seq=16 --batch 5; is 1 "another batch than streams" "streams=5"
run train rnn; is 1 "a language without a file" "text: which file?"
run train counting --epochs 40 --lr 0.02 --seed 1 --batch 20 --json; is 0 "counting is learnt" '"r2":1,'
run train sequence-classifier --data digits -o cell=gru -o bidirectional --lr 0.01 --epochs 3 --seed 1 --json; is 0 "pictures row by row" '"accuracy":0.9'
streams="train lstm --data text:$TEST_SRCDIR/README.md --data-option seq=20,streams=8 -o hidden=8,embedding=4 --batch 8 --epochs 2 --seed 1 --json --strict"
# shellcheck disable=SC2086
run $streams; eager=$(printf '%s\n' "$output" | sed 's/"seconds":[^,}]*//')
# shellcheck disable=SC2086
run $streams --compile; compiled=$(printf '%s\n' "$output" | sed 's/"seconds":[^,}]*//'); is 0 "a compiled step carries states on" '"perplexity":'
[ "$eager" = "$compiled" ]; point $? "as one does that is not compiled"

# ---- Drivers that end the program -------------------------------------------------------------------------------------------
driver=$TEST_BUILDDIR/tests/broken/.libs/driver.so
if [ ! -f "$TEST_BUILDDIR/backends/opencl/.libs/opencl.so" ]; then
    skip "a driver that ends the program" "the backend opencl was not built"
else
    mkdir vendors && echo "$driver" >vendors/broken.icd
    output=$(OCL_ICD_VENDORS="$PWD/vendors" "$telar" backends 2>&1); status=$?
    is 0 "a driver of OpenCL that ends programs does not end this one" "opencl" "a driver ends the program that asks for its devices"
    output=$(OCL_ICD_VENDORS="$PWD/vendors" TELAR_BACKEND=opencl "$telar" bench mlp --runs 1 2>&1); status=$?
    is 1 "and is told where it is wanted" "a driver ends the program that asks for its devices (Aborted); OCL_ICD_VENDORS="
fi
done_testing
