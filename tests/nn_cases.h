/* SPDX-License-Identifier: Apache-2.0
 *
 * Modules by the names that tests/golden/make_nn.py gives them.
 */
#ifndef TELAR_TESTS_NN_CASES_H
#define TELAR_TESTS_NN_CASES_H

#include <string.h>
#include <telar/nn.h>

static tl_tensor *net_forward(tl_module *m, tl_tensor *x, void *ctx)
{
    (void)ctx;
    x = tl_forward(tl_module_child(m, "features"), x);
    x = tl_forward(tl_module_child(m, "pool"), x);
    return tl_forward(tl_module_child(m, "classifier"), x);
}

static tl_module *make_net(void)
{
    tl_module *net = tl_module_from("Net", net_forward, NULL);
    tl_module *features = tl_sequential_new(), *classifier = tl_sequential_new();
    tl_module_add(features, "0", tl_nn_conv2d(1, 4, 3, .padding = {1}));
    tl_module_add(features, "1", tl_nn_batch_norm2d(4));
    tl_module_add(features, "2", tl_nn_relu(.in_place = true));
    tl_module_add(features, "3", tl_nn_max_pool2d(2));
    tl_module_add(features, "4", tl_nn_conv2d(4, 6, 3, .stride = {2}, .no_bias = true));
    tl_module_add(features, "5", tl_nn_dropout2d(0.25));
    tl_module_add(features, "6", tl_nn_leaky_relu(0.2));
    tl_module_add(classifier, "0", tl_nn_flatten());
    tl_module_add(classifier, "1", tl_nn_linear(6, 8));
    tl_module_add(classifier, "2", tl_nn_batch_norm1d(8));
    tl_module_add(classifier, "3", tl_nn_dropout(0.5));
    tl_module_add(classifier, "4", tl_nn_linear(8, 3));
    tl_module_add(net, "features", features);
    tl_module_add(net, "pool", tl_nn_adaptive_avg_pool2d(1, 1));
    if (tl_module_add(net, "classifier", classifier))
        return net;
    tl_module_free(net);
    return NULL;
}

/* NULL without an error for an unknown name. */
__attribute__((unused)) static tl_module *make_case(const char *name)
{
#define CASE(n, expression)                                                                                                      \
    if (strcmp(name, n) == 0)                                                                                                    \
        return expression;
    CASE("linear", tl_nn_linear(7, 5))
    CASE("linear_large", tl_nn_linear(300, 200))
    CASE("linear_no_bias", tl_nn_linear(7, 5, .no_bias = true))
    CASE("conv2d", tl_nn_conv2d(3, 8, 3))
    CASE("conv2d_groups", tl_nn_conv2d_rect(4, 8, 3, 5, .stride = {2, 1}, .padding = {1, TL_NONE_SIZE}, .dilation = {2},
                                            .groups = 2, .no_bias = true))
    CASE("conv1d", tl_nn_conv1d(3, 4, 5, .padding = {2}))
    CASE("conv_transpose2d", tl_nn_conv_transpose2d(6, 4, 4, .stride = {2}, .padding = {1}, .output_padding = {1}))
    CASE("batch_norm1d", tl_nn_batch_norm1d(6))
    CASE("batch_norm2d", tl_nn_batch_norm2d(6, .eps = 1e-3, .momentum = 0.01, .not_affine = true))
    CASE("batch_norm_untracked", tl_nn_batch_norm1d(4, .not_tracked = true))
    CASE("layer_norm", tl_nn_layer_norm(10))
    CASE("layer_norm_2", tl_nn_layer_norm_with(TL_SHAPE(4, 5), &(struct tl_layer_options){.not_affine = true}))
    CASE("embedding", tl_nn_embedding(20, 6))
    CASE("embedding_padding", tl_nn_embedding(20, 6, .padding_row = true, .padding_idx = 3))
    CASE("net", make_net())
    CASE("rnn", tl_nn_rnn(5, 7))
    CASE("rnn_relu", tl_nn_rnn(5, 7, .num_layers = 2, .relu = true, .batch_first = true))
    CASE("lstm", tl_nn_lstm(5, 7))
    CASE("lstm_stacked", tl_nn_lstm(5, 7, .num_layers = 3, .batch_first = true, .bidirectional = true))
    CASE("lstm_dropout", tl_nn_lstm(5, 7, .num_layers = 2, .dropout = 0.5, .batch_first = true))
    CASE("lstm_sample", tl_nn_lstm(5, 7, .no_bias = true))
    CASE("gru", tl_nn_gru(5, 7, .no_bias = true, .bidirectional = true))
    CASE("gru_stacked", tl_nn_gru(5, 7, .num_layers = 2))
    CASE("rnn_cell", tl_nn_rnn_cell(5, 7, .relu = true))
    CASE("lstm_cell", tl_nn_lstm_cell(5, 7))
    CASE("gru_cell", tl_nn_gru_cell(5, 7, .no_bias = true))
    CASE("max_pool2d", tl_nn_max_pool2d(3, .stride = {2}, .padding = {1}))
    CASE("max_pool2d_ceil", tl_nn_max_pool2d(2, .stride = {2, 1}, .ceil_mode = true))
    CASE("avg_pool2d", tl_nn_avg_pool2d(2))
    CASE("max_pool2d_rect", tl_nn_max_pool2d_rect(3, 2, .padding = {1}))
    CASE("avg_pool2d_rect", tl_nn_avg_pool2d_rect(1, 3, .stride = {2, 1}))
    CASE("conv2d_sample", tl_nn_conv2d(2, 3, 3))
    CASE("adaptive_avg_pool2d", tl_nn_adaptive_avg_pool2d(7, 7))
    CASE("unfold", tl_nn_unfold(3, .stride = {2, 1}, .padding = {1}))
    CASE("fold", tl_nn_fold(4, 5, 2))
    CASE("dropout", tl_nn_dropout(0.3))
    CASE("dropout2d", tl_nn_dropout2d(0.5))
    CASE("flatten", tl_nn_flatten())
    CASE("flatten_02", tl_nn_flatten_with(0, 2))
    CASE("unflatten", tl_nn_unflatten(1, 2, (const int64_t[]){2, 5}))
    CASE("identity", tl_nn_identity())
    CASE("relu", tl_nn_relu())
    CASE("relu_in_place", tl_nn_relu(.in_place = true))
    CASE("relu6", tl_nn_relu6())
    CASE("leaky_relu", tl_nn_leaky_relu(0.01))
    CASE("elu", tl_nn_elu(1))
    CASE("gelu", tl_nn_gelu())
    CASE("silu", tl_nn_silu())
    CASE("sigmoid", tl_nn_sigmoid())
    CASE("hard_sigmoid", tl_nn_hard_sigmoid())
    CASE("hardswish", tl_nn_hardswish())
    CASE("selu", tl_nn_selu())
    CASE("mish", tl_nn_mish())
    CASE("log_sigmoid", tl_nn_log_sigmoid())
    CASE("tanh", tl_nn_tanh())
    CASE("softplus", tl_nn_softplus())
    CASE("softmax", tl_nn_softmax(1))
    CASE("log_softmax", tl_nn_log_softmax(-1))
    CASE("empty", tl_sequential_new())
    CASE("nested", TL_SEQUENTIAL(TL_SEQUENTIAL(TL_SEQUENTIAL(tl_nn_linear(1, 1)), tl_nn_tanh()), tl_nn_identity()))
#undef CASE
    return NULL;
}

#endif
