#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Transfer learning with the program telar: a network learns digits, then its last layer learns something else on what the rest has learnt.
. "$TEST_SRCDIR/tests/tap.sh"

run train digits-cnn --epochs 4 --lr 0.005 --seed 1 --quiet --save base.safetensors; is 0 "a network that knows digits"
run train digits-cnn --weights base.safetensors --freeze '*' --replace fc=32,10 --cache-features --epochs 6 --lr 0.01 --seed 1 --save head.safetensors
is 0 "its last layer is replaced, and trained on cached features" "trained:   8554 of them, on cached features" "accuracy"
run train digits-cnn --weights base.safetensors --freeze '*' --replace fc=10 --epochs 2 --lr 0.01 --seed 1
is 0 "or through the whole network" "trained:   2570 of them"
losses() { "$telar" train digits-cnn --weights base.safetensors -o dropout=0 --freeze '*' --replace fc=10 --epochs 1 --lr 0.01 --seed 1 --json "$@" 2>/dev/null |
    sed -n 's/.*"train_loss":\([0-9.]*\),.*"validation_loss":\([0-9.]*\),.*/\1 \2/p'; }
losses >through; losses --cache-features >cached
[ "$(wc -l <through)" = 1 ] && paste -d ' ' through cached | awk '{ if ($1 - $3 > 1e-5 || $3 - $1 > 1e-5 || $2 - $4 > 1e-5 || $4 - $2 > 1e-5) bad = 1 } END { exit bad }'
point $? "which is the same: frozen batch norms keep their statistics ($(tr '\n' ' ' <through | cat - cached | tr '\n' ' '))"
run eval --weights head.safetensors; is 0 "the file says how it was made" "digits-cnn on digits (test)" "accuracy 9"
run eval --weights head.safetensors --json; is 0 "in numbers" '"accuracy":0.9'
run predict --weights head.safetensors --count 2 --seed 1; is 0 "and predicts"
run train --resume head.safetensors --cache-features --epochs 7; is 0 "it is gone on with" "resumed after epoch 6" "on cached features"
for type in f16 bf16 f64; do
    run train digits-cnn --weights base.safetensors --freeze '*' --replace fc=10 --cache-features --epochs 1 --seed 1 --dtype $type --save $type.safetensors
    is 0 "with weights of $type" "accuracy"
    run inspect $type.safetensors; is 0 "which are saved so" " $type "
    run eval --weights $type.safetensors; is 0 "and read so" "accuracy"
done
run train lenet --data digits --resize 28 --epochs 1 --seed 1 --save large.safetensors; is 0 "pictures are resized" "accuracy"
run eval --weights large.safetensors; is 0 "also where the file says so" "accuracy"

run train digits-cnn --weights base.safetensors --replace fc; is 1 "no size" "--replace fc: expected NAME=N"
run train digits-cnn --replace fc=0; is 1 "a size of 0" "expected NAME=N"
run train digits-cnn --replace head=10; is 1 "a layer that is not there" "has no module \"head\""
run train digits-cnn --replace conv1=10; is 1 "a layer that is not linear" "conv1 is a Conv2d"
run train digits-cnn --freeze 'layer*' --replace fc=10; is 1 "nothing to freeze" "no parameter of" "layer*"
run train digits-cnn --replace fc=10 --cache-features; is 1 "features that would change" "conv1.weight is trained" "--freeze '*'"
run train digits-cnn --freeze '*' --cache-features; is 1 "features of what" "--replace NAME=N"
run train digits-cnn --freeze '*' --epochs 1; is 1 "nothing is left to train" "frozen"
run train digits-cnn --weights base.safetensors --freeze '*' --replace fc=7 --cache-features --epochs 1; is 1 "another number of classes than the data's" "expected [samples x 10]"
run train mlp --data wine --resize 8; is 1 "no pictures" "the samples of wine are no pictures"
run train digits-cnn --dtype i8; is 2 "a type that cannot be trained" "--dtype"
done_testing
