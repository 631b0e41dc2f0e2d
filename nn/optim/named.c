/* SPDX-License-Identifier: Apache-2.0
 *
 * Optimizers by name, for programs that take the name from their user.
 */
#include <math.h>
#include <string.h>

#include "nn/optim/optimizer.h"

tl_optimizer *tl_optimizer_named(const char *name, tl_module *m, double lr, double momentum, double weight_decay)
{
    static const struct algorithm *const all[] = {&algorithm_sgd, &algorithm_adam, &algorithm_adamw, &algorithm_adadelta,
                                                  &algorithm_rmsprop};
    const struct algorithm *a = NULL;
    for (size_t i = 0; i < sizeof all / sizeof *all && name; i++)
        if (strcmp(all[i]->name, name) == 0)
            a = all[i];
    if (!a) {
        tl_fail(TL_ERR_NOT_FOUND, "there is no optimizer \"%s\"; there are sgd, adam, adamw, adadelta and rmsprop",
                name ? name : "");
        return NULL;
    }
    if (momentum != 0 && a == &algorithm_adadelta) {
        tl_fail(TL_ERR_ARGUMENT, "%s: it takes no momentum (the others do)", name);
        return NULL;
    }
    lr = optimizer_option(lr, a->lr);
    if (a == &algorithm_sgd)
        return tl_sgd(m, lr, .momentum = momentum, .weight_decay = weight_decay);
    if (a == &algorithm_rmsprop)
        return tl_rmsprop(m, lr, .momentum = momentum, .weight_decay = weight_decay);
    if (a == &algorithm_adadelta)
        return tl_adadelta(m, lr, .weight_decay = weight_decay);
    return a == &algorithm_adam ? tl_adam(m, lr, .beta1 = momentum, .weight_decay = weight_decay)
                                : tl_adamw(m, lr, .beta1 = momentum, .weight_decay = weight_decay);
}
