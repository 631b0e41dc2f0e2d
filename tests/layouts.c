/* SPDX-License-Identifier: Apache-2.0
 *
 * Private layouts of two host backends that share one table of kernels: both call theirs number 16, and neither may be handed the
 * other's bytes.
 */
#include <sys/stat.h>
#include <telar/telar.h>
#include <unistd.h>

#include "tap.h"

static char root[] = "/tmp/telar-layouts-XXXXXX";

static bool borrow(const char *name)
{
    char from[600], to[600];
    snprintf(from, sizeof from, "%s/tests/private/.libs/%s.so", TEST_BUILDDIR, name);
    snprintf(to, sizeof to, "%s/backends/%s.so", root, name);
    return symlink(from, to) == 0;
}

/* alpha has cumsum, beta has flip: each is handed what the other made. */
static void both(const char *list)
{
    ok(tl_set_backend(list) == TL_OK, "%s opens", list);
    TL_SCOPE
    {
        tl_tensor *x = tl_tensor_f32(TL_SHAPE(4), 1, 2, 3, 4);
        tl_tensor *sums = tl_cumsum(x, 0), *back = tl_flip(sums, TL_SHAPE(0)), *again = tl_cumsum(back, 0);
        float got[3][4] = {{0}};
        ok(tl_copy_out(again, TL_F32, got[2], sizeof got[2]) == TL_OK && tl_copy_out(back, TL_F32, got[1], sizeof got[1]) == TL_OK &&
               tl_copy_out(sums, TL_F32, got[0], sizeof got[0]) == TL_OK,
           "%s: results can be read", list);
        is_float(got[0][3], 10, 0, "%s: the sum", list);
        is_float(got[1][0], 10, 0, "%s: flipped by the other backend", list);
        is_float(got[2][3], 20, 0, "%s: and summed again by the first", list);
        /* Both forms of one input in turn. */
        tl_flip(x, TL_SHAPE(0));
        tl_cumsum(x, 0);
        is_float(tl_item(tl_select(tl_flip(x, TL_SHAPE(0)), 0, 0)), 4, 0, "%s: an input kept in one's form, then in the other's", list);
    }
    tl_error_clear();
}

int main(void)
{
    char path[600];
    if (!mkdtemp(root))
        return skip_all("no temporary folder");
    snprintf(path, sizeof path, "%s/backends", root);
    if (mkdir(path, 0755) != 0 || !borrow("alpha") || !borrow("beta"))
        bail_out("the backends cannot be linked");
    setenv("TELAR_PLUGIN_PATH", root, 1);
    both("alpha,beta,reference");
    both("beta,alpha,reference");
    snprintf(path, sizeof path, "rm -rf '%s'", root);
    if (system(path) != 0)
        diag("the temporary folder stays");
    tl_shutdown();
    return done_testing();
}
