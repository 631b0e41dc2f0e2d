/* SPDX-License-Identifier: Apache-2.0
 *
 * Training on a device that is not the host (the opaque backend): the same run as on the host, with every optimizer, though its losses are
 * read late; and, on both, as a program: then with the very bits of the run without one.
 */
#include <telar/nn.h>

#include "tests/opaque/show.h"
#include "tests/tap.h"

enum { SAMPLES = 40, BATCH = 8, EPOCHS = 3, FIELDS = 2 };

struct outcome {
    double loss[EPOCHS], accuracy[EPOCHS], validation[EPOCHS];
    int64_t steps;
};

static tl_status note_epoch(const struct tl_fit_event *e, void *ctx)
{
    struct outcome *out = ctx;
    out->loss[e->epoch - 1] = e->record->train_loss;
    out->accuracy[e->epoch - 1] = e->record->train_metric;
    out->validation[e->epoch - 1] = e->record->validation_loss;
    out->steps = e->step;
    return TL_OK;
}

/* One run; `spoilt` is a sample whose input is NaN, or -1. */
static tl_status train_on(const char *device, const char *optimizer, double decay, int spoilt, bool compile, struct outcome *out)
{
    tl_status s = TL_OK;
    TL_SCOPE {
        tl_manual_seed(1);
        tl_tensor *x = tl_randn(TL_SHAPE(SAMPLES, 5), (struct tl_options){.device = "cpu"});
        tl_tensor *labels = tl_argmax(tl_slice(x, 1, 0, 3, 1), .dims = TL_DIMS(1));
        if (spoilt >= 0)
            ((float *)tl_data_mut(x))[spoilt * 5] = NAN;
        tl_dataset *d = tl_tensor_dataset(FIELDS, (tl_tensor *[]){x, labels});
        tl_loader *loader = tl_loader_new(d, .batch_size = BATCH), *validation = tl_loader_new(d, .batch_size = SAMPLES);
        tl_module *net = TL_SEQUENTIAL(tl_nn_linear(5, 16), tl_nn_relu(), tl_nn_linear(16, 3));
        s = tl_module_to(net, device);
        tl_optimizer *o = tl_optimizer_named(optimizer, net, 0.05, strcmp(optimizer, "sgd") == 0 ? 0.9 : 0, decay);
        if (s == TL_OK)
            s = tl_fit(net, loader, o, .epochs = EPOCHS, .metric = tl_metric_accuracy, .validation = validation, .on_epoch = note_epoch,
                       .callback_ctx = out, .compile = compile, .clip_norm = 2);
        tl_optimizer_free(o);
        tl_module_free(net);
        tl_loader_free(validation);
        tl_loader_free(loader);
        tl_dataset_free(d);
    }
    return s;
}

static void compare(const char *optimizer, double decay)
{
    struct outcome here = {0}, there = {0};
    if (!ok(train_on("cpu", optimizer, decay, -1, false, &here) == TL_OK && train_on("opaque", optimizer, decay, -1, false, &there) == TL_OK,
            "%s, weight decay %g: trained on both devices", optimizer, decay)) {
        diag("%s", tl_error_message());
        tl_error_clear();
        return;
    }
    is_int(there.steps, SAMPLES / BATCH * EPOCHS, "every batch was a step");
    double largest = 0;
    bool same = true;
    for (int i = 0; i < EPOCHS; i++) {
        largest = fmax(largest, fabs(here.loss[i] - there.loss[i]) + fabs(here.validation[i] - there.validation[i]));
        same = same && here.accuracy[i] == there.accuracy[i];
    }
    ok(largest < 2e-5, "losses differ by %.2g at most", largest);
    ok(same, "accuracies are the same");
    ok(there.validation[EPOCHS - 1] < there.validation[0], "it learns");
}

static void compare_compiled(const char *device, const char *optimizer, double decay)
{
    struct outcome eager = {0}, compiled = {0};
    tl_status s = train_on(device, optimizer, decay, -1, false, &eager);
    if (s == TL_OK)
        s = train_on(device, optimizer, decay, -1, true, &compiled);
    if (!ok(s == TL_OK && memcmp(&eager, &compiled, sizeof eager) == 0, "%s, weight decay %g on %s: the compiled run is the same", optimizer, decay,
            device))
        diag("%s: losses %.9g %.9g, compiled %.9g %.9g", tl_error_message(), eager.loss[0], eager.loss[EPOCHS - 1], compiled.loss[0],
             compiled.loss[EPOCHS - 1]);
    tl_error_clear();
}

int main(void)
{
    char folder[] = "/tmp/telar-test-XXXXXX";
    struct outcome out;
    show_opaque_backend(folder);
    static const char *const optimizers[] = {"sgd", "adam", "adamw", "adadelta", "rmsprop"};
    for (size_t i = 0; i < sizeof optimizers / sizeof *optimizers; i++)
        for (int decays = 0; decays < 2; decays++)
            compare(optimizers[i], decays ? 0.01 : 0);
    for (size_t i = 0; i < sizeof optimizers / sizeof *optimizers; i++)
        for (int decays = 0; decays < 2; decays++) {
            compare_compiled("cpu", optimizers[i], decays ? 0.01 : 0);
            compare_compiled("opaque", optimizers[i], decays ? 0.01 : 0);
        }
    is_int(train_on("opaque", "sgd", 0, 3 * BATCH + 1, false, &out), TL_ERR_STATE, "a loss that is no number stops the run");
    contains(tl_error_message(), "epoch 1: batch 4: the loss is NaN", "and the message names its batch, though it was read late");
    tl_error_clear();
    tl_shutdown();
    remove_folder(folder);
    return done_testing();
}
