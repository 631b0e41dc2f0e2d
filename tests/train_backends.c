/* SPDX-License-Identifier: Apache-2.0
 *
 * One run on two backends: the first fifty steps of the demonstration cost the same to 1e-4. The test starts itself once
 * for each backend, with TELAR_BACKEND set, since a process has one default device.
 */
#include <telar/model.h>

#include "tests/tap.h"

enum { STEPS = 50 };

static tl_tensor *prepare(tl_tensor *input, void *ctx)
{
    (void)ctx;
    return input;
}

static tl_status print_loss(const struct tl_fit_event *e, void *ctx)
{
    (void)ctx;
    printf("%.9g\n", e->loss);
    return e->step < STEPS ? TL_OK : TL_ERR_STOPPED;
}

static int run(void)
{
    tl_manual_seed(7);
    tl_dataset *d = tl_data_open("digits", .split = "train");
    tl_module *net = tl_model_build("digits-cnn", "width=16");
    tl_loader *train = d ? tl_loader_new(d, .batch_size = 32, .shuffle = true) : NULL;
    tl_optimizer *o = net ? tl_sgd(net, 0.05, .momentum = 0.9) : NULL;
    tl_status s = train && o ? tl_fit(net, train, o, .epochs = 3, .prepare = prepare, .on_batch = print_loss) : tl_error_code();
    if (s != TL_OK)
        fprintf(stderr, "%s\n", tl_error_message());
    tl_optimizer_free(o);
    tl_loader_free(train);
    tl_module_free(net);
    tl_dataset_free(d);
    return s == TL_OK ? 0 : 1;
}

static int losses_on(const char *self, const char *backend, double losses[STEPS])
{
    char command[2048];
    snprintf(command, sizeof command, "TELAR_BACKEND=%s TELAR_FALLBACK=reference '%s' run", backend, self);
    FILE *f = popen(command, "r");
    int n = 0;
    while (f && n < STEPS && fscanf(f, "%lf", &losses[n]) == 1)
        n++;
    return f && pclose(f) == 0 ? n : -1;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return run();
    double reference[STEPS], cpu[STEPS];
    ok(losses_on(argv[0], "reference", reference) == STEPS, "%d steps on the reference backend", STEPS);
    int n = losses_on(argv[0], "cpu,reference", cpu);
    ok(n == STEPS, "%d steps on the CPU backend", STEPS);
    double largest = 0;
    for (int i = 0; i < n; i++)
        largest = fmax(largest, fabs(cpu[i] - reference[i]));
    ok(n == STEPS && largest < 1e-4, "the losses differ by at most %.2g", largest);
    ok(n == STEPS && reference[STEPS - 1] < 0.5 * reference[0], "and fall from %.3f to %.3f", reference[0], reference[STEPS - 1]);
    return done_testing();
}
