#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# telar predict on pictures: folders, batches, files that cannot be read; and with weights that were trained on ImageNet, where
# TELAR_DATA has them, the five best classes that PyTorch finds (golden/predict.txt).
. "$TEST_SRCDIR/tests/tap.sh"
golden=$TEST_SRCDIR/tests/golden
if ! "$telar" data "$golden/pictures/birds/rgb.png" >/dev/null 2>&1; then
    echo "1..0 # SKIP the plugin folder is not built: predictions of pictures were NOT tested"
    exit 0
fi
read_best() { # of each line of JSON: "NAME : number probability …", NAME after the folder $1
    sed -n 's/^{"file":"\([^"]*\)".*"best":\[\(.*\)\],"probabilities".*/\1 : \2/p' | sed "s|^$1/||"'; s/{"index":\([0-9]*\),"probability":\([-+.0-9e]*\),[^}]*},*/\1 \2 /g'
}
compare() { # WANT GOT: files of read_best: the same names and classes, probabilities within 0.0001
    awk 'NR == FNR { want[NR] = $0; wanted = NR; next }
        { n = split(want[FNR], w); if (n != NF || w[1] != $1) bad = 1
          for (i = 3; i <= NF; i++) if (i % 2 ? w[i] != $i : w[i] - $i > 1e-4 || $i - w[i] > 1e-4) bad = 1
          if (bad) { print "expected: " want[FNR] "\n     got: " $0; exit } }
        END { exit bad || FNR != wanted || !wanted }' "$1" "$2" >difference
    result=$?
    [ $result = 0 ] || output=$(cat difference)
    return $result
}

# ---- Which pictures ----------------------------------------------------------------------------------------------------------------
data=${TELAR_DATA:-}
unset TELAR_DATA
run train digits-cnn --epochs 1 --quiet --seed 3 --save small.safetensors; is 0 "train"
mkdir -p photos/a photos/.hidden photos/empty none
cp "$golden/pictures/birds/rgb.png" photos/b.PNG; cp "$golden/pictures/birds/grey.png" photos/a/c.png
cp "$golden/pictures_kinds/turned_6.jpg" photos/a/d.jpg; cp "$golden/pictures/cats/rgb.jpg" photos/.hidden/e.jpg; echo text >photos/notes.txt
run predict --weights small.safetensors ./photos --quiet
is 0 "a folder" "./photos/a/c.png: " "./photos/a/d.jpg: " "./photos/b.PNG: "
case $output in *.hidden* | *notes*) false ;; esac; point $? "hidden folders and other files are left out"
[ "$(printf '%s\n' "$output" | grep -c ' %  ')" = 15 ]; point $? "five classes of each"
run predict digits-cnn photos --weights small.safetensors --quiet; is 0 "a folder without a slash after the model" "photos/b.PNG: "
run predict --weights small.safetensors photos --quiet; is 1 "as the first argument it is a model" "no model \"photos\"" "(if the folder is meant: ./photos)"
run predict --weights small.safetensors ./none photos/b.PNG --quiet; is 1 "a folder without pictures" "\"./none\": no pictures (.jpg, .jpeg, .png)" "b.PNG: "
run predict --weights small.safetensors ./nothing photos/b.PNG --quiet; is 1 "a folder that is not there" "./nothing" "b.PNG: "
ln -s . photos/loop; mkdir -p photos/a/deep; ln -s ../.. photos/a/deep/er; ln -s a photos/z; cp photos/b.PNG photos/zz.png
run predict --weights small.safetensors photos/ --quiet
is 1 "a folder in itself" '"photos/loop": a link to a folder that it lies in' '"photos/a/deep/er": a link' "photos/b.PNG: " "photos/z/c.png: " "photos/zz.png: "
[ "$(printf '%s\n' "$output" | grep -c '^photos/.*: ')" = 6 ]; point $? "does not keep others back, nor gives them twice"
output=$("$telar" predict --weights small.safetensors photos/ --json 2>/dev/null); is 1 "and is told in JSON" '{"file":"photos/loop","error":"'; json_lines "which it is"
rm -r photos/loop photos/a/deep photos/z photos/zz.png
if [ "$(id -u)" != 0 ]; then
    mkdir photos/closed; chmod 0 photos/closed
    run predict --weights small.safetensors photos/ --quiet; is 1 "a folder that may not be read" "cannot list \"photos/closed\"" "photos/b.PNG: "
    rmdir photos/closed
fi
mkfifo photos/pipe.png
run predict --weights small.safetensors photos/ --quiet; is 1 "a pipe" '"photos/pipe.png" is not a regular file' "photos/b.PNG: "
rm photos/pipe.png
: >photos/a/empty.png; head -c 300 photos/a/d.jpg >photos/cut.jpg
run predict --weights small.safetensors photos/ --quiet
is 1 "files that cannot be read do not keep the others back" "empty.png\": the file is empty" "cut.jpg\": damaged JPEG" "c.png: " "b.PNG: "
output=$("$telar" predict --weights small.safetensors photos/ --json 2>/dev/null); status=$?
is 1 "and are told in JSON" '{"file":"photos/a/empty.png","error":"' '{"file":"photos/cut.jpg","error":"' '{"file":"photos/b.PNG","class":"'
rm photos/a/empty.png photos/cut.jpg

# ---- Batches ---------------------------------------------------------------------------------------------------------------------
for i in 0 1 2 3 4 5 6 7 8 9; do for k in 0 1 2 3 4 5 6 7; do cp photos/b.PNG "photos/$i$k.png"; done; done
# shellcheck disable=SC2046
run predict --weights small.safetensors photos/*.png --json; is 0 "eighty files"
[ "$(printf '%s\n' "$output" | grep -c '"best"')" = 80 ]; point $? "and as many answers"
printf '%s\n' "$output" | sed 's/"file":"[^"]*"//' | sort -u >one; [ "$(grep -c . one)" = 1 ]; point $? "equal ones, wherever in a batch"
rm photos/??.png
for batch in 1 2 3 64; do "$telar" predict --weights small.safetensors photos/ --batch $batch --json --strict >batch.$batch 2>&1; done
for batch in 1 2 3 64; do read_best . <batch.$batch >got.$batch; done
compare got.1 got.2 && compare got.1 got.3 && compare got.1 got.64; point $? "answers do not depend on the size of batches"
run predict --weights small.safetensors --count 5 --seed 1 --batch 2 --quiet
is 0 "samples of the data in batches" "sample "; [ "$(printf '%s\n' "$output" | grep -c '^sample')" = 5 ]; point $? "all of them"
output=$(printf '%s\n' "$output" | grep '^sample'); want=$output
run predict --weights small.safetensors --count 5 --seed 1 --batch 64 --quiet
output=$(printf '%s\n' "$output" | grep '^sample'); [ "$output" = "$want" ]; point $? "the same as in one"

# ---- Accuracies that are known of weights -------------------------------------------------------------------------------------------
# FILE MODEL DATA PART ACCURACY
known() {
    if [ -z "$data" ] || [ ! -f "$data/weights/$1" ] || [ ! -d "$data/$3" ]; then
        skip "accuracy of $1" "no weights/$1 or no $3 in TELAR_DATA: the accuracy was NOT measured"
        return
    fi
    output=$(TELAR_DATA=$data "$telar" eval "$2" --weights "$data/weights/$1" --data "$3" --split "$4" --json 2>&1); status=$?
    is 0 "$2 on $3 with $1" "\"accuracy\":$5,"
}
known lenet5_mnist_acc0.991.pth lenet5 mnist test 0.9861
known resnet20_cifar10-12fca82f.th resnet20 cifar10 all 0.998

# ---- As PyTorch ---------------------------------------------------------------------------------------------------------------------
weights=$data/weights/mobilenetV1X0.25_imagenet.tar
if [ -z "$data" ] || [ ! -f "$weights" ] || [ ! -d "$data/pictures/imagenet" ]; then
    skip "ImageNet" "no weights/mobilenetV1X0.25_imagenet.tar and pictures/ in TELAR_DATA: predictions were NOT compared with PyTorch"
    done_testing
    exit 0
fi
"$telar" predict mobilenet_v1 --weights "$weights" -o width=0.25,activation=leaky-relu "$data/pictures/" --json >lines 2>words; status=$?
output=$(cat words); is 0 "every sample picture"
sort "$golden/predict.txt" >want; read_best "$data/pictures" <lines | sort >got
compare want got; point $? "the five best classes of each as in PyTorch, to 0.0001"
output=$(TELAR_DATA=$data "$telar" predict mobilenet_v1 --weights mobilenetV1X0.25_imagenet.tar "$data/pictures/bald_eagle.jpeg" 2>&1); status=$?
is 0 "by name" "58.9 %  albatross" "16.7 %  kite" " 8.2 %  bald eagle" " 2.3 %  vulture" " 2.1 %  black stork"
done_testing
