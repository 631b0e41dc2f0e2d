/* SPDX-License-Identifier: Apache-2.0
 *
 * The gates of recurrent layers, forward and back: all that a step does beside its products, in one pass. The formulas are in
 * core/ops/rnn_steps.c.
 */
#include "level.h"
#include "math.h"
#include "vector.h"

static inline float sigmoid(float x)
{
    return 1.0f / (1.0f + fast_exp(-x));
}

static void tanh_step(float *gate, float *h, int64_t n)
{
    INDEPENDENT
    for (int64_t j = 0; j < n; j++)
        h[j] = gate[j] = fast_tanh(gate[j]);
}

static void relu_step(float *gate, float *h, int64_t n)
{
    INDEPENDENT
    for (int64_t j = 0; j < n; j++)
        h[j] = gate[j] = select_f32(gate[j] < 0.0f, 0.0f, gate[j]); /* NaN stays */
}

static void lstm_step(float *gates, int64_t stride, const float *c_before, float *c, float *h, int64_t n)
{
    float *in = gates, *forget = gates + stride, *cell = gates + 2 * stride, *out = gates + 3 * stride;
    INDEPENDENT
    for (int64_t j = 0; j < n; j++) {
        float i = sigmoid(in[j]), f = sigmoid(forget[j]), g = fast_tanh(cell[j]), o = sigmoid(out[j]);
        float now = f * c_before[j] + i * g;
        in[j] = i;
        forget[j] = f;
        cell[j] = g;
        out[j] = o;
        c[j] = now;
        h[j] = o * fast_tanh(now);
    }
}

static void gru_step(float *gates, int64_t stride, const float *inner, const float *h_before, float *h, int64_t n)
{
    float *reset = gates, *update = gates + stride, *new = gates + 2 * stride;
    INDEPENDENT
    for (int64_t j = 0; j < n; j++) {
        float r = sigmoid(reset[j]), z = sigmoid(update[j]), fresh = fast_tanh(new[j] + r * inner[j]);
        reset[j] = r;
        update[j] = z;
        new[j] = fresh;
        h[j] = (h_before[j] - fresh) * z + fresh;
    }
}

static void tanh_back(float *da, const float *gate, const float *dy, float *dh, int64_t n)
{
    INDEPENDENT
    for (int64_t j = 0; j < n; j++) {
        da[j] = (dh[j] + dy[j]) * (1.0f - gate[j] * gate[j]);
        dh[j] = 0.0f;
    }
}

static void relu_back(float *da, const float *gate, const float *dy, float *dh, int64_t n)
{
    INDEPENDENT
    for (int64_t j = 0; j < n; j++) {
        da[j] = select_f32(gate[j] > 0.0f, dh[j] + dy[j], 0.0f);
        dh[j] = 0.0f;
    }
}

static void lstm_back(float *da, const float *gates, int64_t stride, const float *c_before, const float *c, const float *dy, float *dh,
                      float *dc, int64_t n)
{
    const float *in = gates, *forget = gates + stride, *cell = gates + 2 * stride, *out = gates + 3 * stride;
    float *d_in = da, *d_forget = da + stride, *d_cell = da + 2 * stride, *d_out = da + 3 * stride;
    INDEPENDENT
    for (int64_t j = 0; j < n; j++) {
        float i = in[j], f = forget[j], g = cell[j], o = out[j], d = dh[j] + dy[j], u = fast_tanh(c[j]);
        float e = dc[j] + d * o * (1.0f - u * u);
        d_in[j] = e * g * i * (1.0f - i);
        d_forget[j] = e * c_before[j] * f * (1.0f - f);
        d_cell[j] = e * i * (1.0f - g * g);
        d_out[j] = d * u * o * (1.0f - o);
        dc[j] = e * f;
        dh[j] = 0.0f;
    }
}

static void gru_back(float *da, float *db, const float *gates, int64_t stride, const float *inner, const float *h_before, const float *dy,
                     float *dh, int64_t n)
{
    const float *reset = gates, *update = gates + stride, *new = gates + 2 * stride;
    float *a_reset = da, *a_update = da + stride, *a_new = da + 2 * stride, *b_reset = db, *b_update = db + stride, *b_new = db + 2 * stride;
    INDEPENDENT
    for (int64_t j = 0; j < n; j++) {
        float r = reset[j], z = update[j], fresh = new[j], d = dh[j] + dy[j];
        float dn = d * (1.0f - z) * (1.0f - fresh * fresh), dr = dn * inner[j] * r * (1.0f - r);
        float dz = d * (h_before[j] - fresh) * z * (1.0f - z);
        a_reset[j] = b_reset[j] = dr;
        a_update[j] = b_update[j] = dz;
        a_new[j] = dn;
        b_new[j] = dn * r;
        dh[j] = d * z;
    }
}

const struct cpu_rnn_loops LEVEL(cpu_rnn_loops) = {
    .tanh_step = tanh_step,
    .relu_step = relu_step,
    .lstm_step = lstm_step,
    .gru_step = gru_step,
    .tanh_back = tanh_back,
    .relu_back = relu_back,
    .lstm_back = lstm_back,
    .gru_back = gru_back,
};
