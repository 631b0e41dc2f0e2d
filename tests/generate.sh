#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Models that generate and reconstruct, with the program telar: trained on digits of 8 x 8, gone on with, measured, and what they make as pictures.
. "$TEST_SRCDIR/tests/tap.sh"

png=0; "$telar" generate --weights none --output a.gif 2>/dev/null
"$telar" train vae --data digits --epochs 1 --seed 1 --quiet --save probe.safetensors >/dev/null 2>&1
"$telar" generate --weights probe.safetensors --output a.gif 2>&1 | grep -q '\.png,' && png=1

size_of() { # FILE: width, height and what follows of a PNG's or PNM's head
    python3 -c 'import struct, sys
b = open(sys.argv[1], "rb").read()
if b[:2] in (b"P5", b"P6"):
    w, h = map(int, b.split(b"\n")[1].split())
    print(b[:2].decode(), w, h, len(b) - len(b"\n".join(b.split(b"\n")[:3])) - 1)
else:
    assert b[:8] == b"\x89PNG\r\n\x1a\n" and b[12:16] == b"IHDR" and b[-8:-4] == b"IEND"
    print("PNG", *struct.unpack(">II", b[16:24]), *b[24:26])' "$1"
}

# ---- Training ------------------------------------------------------------------------------------------------------------------
small="-o width=8,latent=16"
run models dcgan; is 0 "a model says how it is trained" "task:    generate" "--optimizer adam --lr 0.0002 --momentum 0.5 --batch 128"
run models vae --json; is 0 "in JSON as well" '"training":{"optimizer":"adam","lr":0.001,"batch":128}'; json_lines "which it is"
run train dcgan --data digits $small --epochs 2 --seed 1 --save dcgan.safetensors --history history.csv
is 0 "two networks at once" "optimizer: adam, learning rate 0.0002, batches of 128" "generator loss" "held-out samples: loss 1." "saved:   dcgan.safetensors"
case $output in *"absolute error"*) false ;; *) true ;; esac; point $? "have no error but their losses"
output=$(awk -F, 'NR == 3 {print ($3 > 1 && $7 > 0.5 && $9 > 0.5)}' history.csv); [ "$output" = 1 ]; point $? "both losses are in the history"
run train dcgan --data digits $small --epochs 1 --seed 1 --quiet --save half.safetensors; is 0 "one epoch"
run train --resume half.safetensors --epochs 2 --save rest.safetensors; is 0 "and one more" "resumed after epoch 1" "batches of 128"
"$telar" generate --weights dcgan.safetensors --seed 3 --output a.pgm >/dev/null; "$telar" generate --weights rest.safetensors --seed 3 --output b.pgm >/dev/null
[ -s a.pgm ] && cmp -s a.pgm b.pgm; point $? "are two"
run train dcgan --data digits $small --epochs 1 --seed 1 --optimizer sgd --batch 32; is 0 "the command line has the last word" "optimizer: sgd, learning rate 0.001, batches of 32"
run train dcgan --data digits $small --epochs 1 --seed 1 --lr 0.001 --clip 1; is 0 "of the rate, too" "learning rate 0.001"
run train gan --data digits -o hidden=32,latent=8 --epochs 1 --seed 1 --save gan.safetensors; is 0 "dense layers" "generator loss"
run train autoencoder --data digits --epochs 1 --seed 1 --save auto.safetensors; is 0 "an autoencoder" "mean absolute error"
run train vae --data digits --epochs 3 --seed 1 --save vae.safetensors; is 0 "and a variational one" "KL" "held-out samples: loss"
run eval --weights vae.safetensors; is 0 "eval" "vae on digits (test)" ", KL "
run eval --weights vae.safetensors --json; is 0 "eval --json" '"task":"reconstruct"' '"metric_name":"KL"' '"metric":'; json_lines "which is JSON"
run eval --weights dcgan.safetensors; is 0 "eval of two networks" "generator loss 0."
run train dcgan --data wine; is 1 "samples that are no pictures" "its inputs are [1 x 28 x 28]"
run train dcgan --data digits --resize 30 --epochs 1; is 1 "a side that does not halve" "times a power of two"
run summary dcgan; is 0 "summary of both networks" "0: ConvTranspose2d" "[1, 128, 7, 7]" "discriminator: Discriminator" "898,304"
run bench dcgan $small --batch 4 --mode train --runs 2 --seconds 0; is 0 "bench of their game" "dcgan, training step, batch 4"
run bench vae --data digits --batch 4 --mode train --runs 2 --seconds 0; is 0 "bench on data" "vae, training step, batch 4"
run bench gan -o hidden=16 --batch 4 --runs 2 --seconds 0; is 0 "bench of a pass" "gan, forward pass"
run predict --weights dcgan.safetensors; is 1 "predict of a model that has nothing to say" "it makes them: telar generate"

# ---- Samples -------------------------------------------------------------------------------------------------------------------
run generate --weights vae.safetensors --count 10 --columns 4 --seed 1 --output one.pgm; is 0 "generate" "one.pgm: 10 samples of vae, seed 1"
run generate --weights vae.safetensors --count 10 --columns 4 --seed 1 --output two.pgm --json
is 0 "generate --json" '"samples":10,"shape":[1,8,8],"seed":"1","file":"two.pgm"'; json_lines "which is JSON"
cmp -s one.pgm two.pgm; point $? "the same seed, the same samples"
run generate --weights vae.safetensors --count 10 --columns 4 --seed 2 --output two.pgm --quiet
is 0 "generate --quiet"; ! cmp -s one.pgm two.pgm; point $? "another seed, others"
run generate --weights vae.safetensors --count 3 --input 4x16 --output wide.pgm; is 0 "a shape by hand" "seed "
run generate --weights gan.safetensors --count 2 --output gan.pgm; is 0 "generate by gan" "2 samples of gan"
run train dcgan --resize 16 --data digits $small --epochs 1 --seed 1 --quiet --save large.safetensors; is 0 "resized pictures"
run generate --weights large.safetensors --count 2 --output large.pgm; is 0 "are made in that size"
run predict --weights vae.safetensors --count 5 --seed 1 --output pairs.pgm --quiet; is 0 "pairs of input and output" "mean squared error"
run predict --weights vae.safetensors --count 5 --seed 1 --batch 2 --output parts.pgm --quiet; cmp -s pairs.pgm parts.pgm; point $? "the same in batches of two"
run predict --weights auto.safetensors --count 2 --seed 1 --output auto.pgm; is 0 "by autoencoder, too" "input and output" "█"
if command -v python3 >/dev/null 2>&1; then
    output="$(size_of one.pgm), $(size_of wide.pgm), $(size_of large.pgm), $(size_of pairs.pgm)"
    [ "$output" = "P5 42 32 1344, P5 56 8 448, P5 38 20 760, P5 82 22 1804" ]; point $? "the files' sizes"
    output=$(python3 -c 'p = open("one.pgm", "rb").read().split(b"\n", 3)[3]
print(max(p[:2 * 42]), max(p[10:42 * 32:42]), max(p) > 128, max(p[22 * 42 + 22:23 * 42]))')
    [ "$output" = "0 0 True 0" ]; point $? "a black border, and nothing where a row is not full"
    if [ $png = 1 ]; then
        "$telar" generate --weights vae.safetensors --count 10 --columns 4 --seed 1 --output one.png >/dev/null
        output=$(size_of one.png); [ "$output" = "PNG 42 32 8 0" ]; point $? "the same as PNG"
        run predict --weights auto.safetensors one.png --output again.png; is 1 "a picture for a model that takes none" "its input is [64]"
    fi
fi
[ $png = 1 ] || skip "PNG" "built without libpng"

# ---- Mistakes ------------------------------------------------------------------------------------------------------------------
run generate vae; is 2 "no weights" "which weights? --weights FILE"
run generate --weights vae.safetensors; is 2 "no file to write" "--output FILE.png"
run generate --weights vae.safetensors --output bad.gif; is 1 "a kind of picture that is not written" "\"bad.gif\": expected a name ending in" ".pgm or .ppm"
run generate --weights vae.safetensors --output .pgm; is 1 "an ending alone" "expected a name ending in"
run generate --weights vae.safetensors --output bad.ppm; is 1 "grey as colours" "expected a name ending in .pgm"
run generate --weights vae.safetensors --output nowhere/a.pgm; is 1 "a folder that is not there" "nowhere"
run generate --weights vae.safetensors --count 0 --output bad.pgm; is 2 "no samples" "from 1 to"
run generate --weights vae.safetensors --input 9 --output bad.pgm; is 1 "a shape of another size" "values do not make pictures of 1 x 3 x 3"
run generate --weights vae.safetensors --input 5 --output bad.pgm; is 1 "what is no square" "samples of [5] are no pictures"
run generate --weights vae.safetensors --input 2x4x8 --output bad.pgm; is 1 "two channels" "samples of [2 x 4 x 8] are no pictures"
run generate --weights vae.safetensors --count 100000 --columns 1 --output bad.pgm; is 1 "too many" "larger than 65535 pixels"
output=$(ulimit -f 8; "$telar" generate --weights vae.safetensors --count 900 --output bad.pgm 2>&1); status=$?
is 1 "a disk that is full" '"bad.pgm": cannot write a picture of 82 x 1132 pixels: File too large'
run generate --weights auto.safetensors --output bad.pgm; is 1 "a model that only reconstructs" "autoencoder makes nothing new; its task is to reconstruct"
run train mlp --data digits --epochs 1 --seed 1 --quiet --save mlp.safetensors; is 0 "a model that classifies"
run generate --weights mlp.safetensors --output bad.pgm; is 1 "generates nothing" "mlp makes nothing new; its task is to classify"
run predict --weights mlp.safetensors --output bad.pgm; is 1 "and reconstructs nothing" "--output is for models that reconstruct"
[ ! -e bad.pgm ] && [ ! -e bad.ppm ] && [ ! -e bad.gif ]; point $? "nothing was written"
run train dcgan --data digits --optimizer adadelta --momentum 0.5 --epochs 1; is 1 "momentum where there is none" "takes no momentum"
done_testing
