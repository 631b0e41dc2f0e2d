#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# make demo: a network learns to read handwritten digits, draws its learning curve, is saved, and reads a few digits that it
# has not seen. TELAR is the program; the files are left in the working directory.
set -eu
telar=${TELAR:-telar}
seed=${SEED:-7}

plot=
if command -v gnuplot >/dev/null 2>&1; then
    plot='--plot digits.svg'
else
    echo "demo: there is no gnuplot, so no picture of the learning curve is drawn"
fi

# shellcheck disable=SC2086
"$telar" train digits-cnn --data digits --epochs "${EPOCHS:-8}" --batch 32 --schedule one-cycle --lr 0.01 --seed "$seed" \
    --save digits.safetensors $plot
echo
echo "Three digits that the network has not seen:"
echo
"$telar" predict --weights digits.safetensors --count 3 --seed "$seed"
