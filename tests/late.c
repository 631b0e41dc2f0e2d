/* SPDX-License-Identifier: Apache-2.0
 *
 * Errors that show after their call has returned, on the opaque device: the next read of any value tells, once, and gives no bytes.
 */
#include <sys/stat.h>
#include <telar/telar.h>
#include <unistd.h>

#include "tap.h"

static char root[] = "/tmp/telar-late-XXXXXX";

/* A label that no class has: the call returns, its work fails. */
static tl_tensor *bad_loss(void)
{
    tl_tensor *x = tl_ones(TL_SHAPE(2, 3), (struct tl_options){0});
    tl_tensor *labels = tl_to_device(tl_tensor_i64(TL_SHAPE(2), 1, 99), "opaque");
    return tl_gather(x, 1, tl_reshape(labels, 2, (int64_t[]){2, 1}));
}

int main(void)
{
    char path[600], from[600];
    if (!mkdtemp(root))
        return skip_all("no temporary folder");
    snprintf(path, sizeof path, "%s/backends", root);
    snprintf(from, sizeof from, "%s/tests/opaque/.libs/opaque.so", TEST_BUILDDIR);
    if (mkdir(path, 0755) != 0)
        bail_out("no folder");
    snprintf(path, sizeof path, "%s/backends/opaque.so", root);
    if (symlink(from, path) != 0)
        bail_out("the backend cannot be linked");
    setenv("TELAR_PLUGIN_PATH", root, 1);
    ok(tl_set_backend("opaque") == TL_OK, "the opaque device opens");
    TL_SCOPE
    {
        float got[2] = {7, 7};
        tl_tensor *y = bad_loss();
        ok(y != NULL, "a bad index passes the call");
        is_int(tl_copy_out(y, TL_F32, got, sizeof got), TL_ERR_INDEX, "reading tells of it");
        contains(tl_error_message(), "99", "with the index (%s)", tl_error_message());
        ok(got[0] == 7 && got[1] == 7, "and leaves the destination as it was");
        tl_error_clear();
        is_int(tl_copy_out(y, TL_F32, got, sizeof got), TL_OK, "it is told once");

        bad_loss();
        tl_tensor *other = tl_ones(TL_SHAPE(1), (struct tl_options){0});
        tl_item(other);
        is_int(tl_error_code(), TL_ERR_INDEX, "whichever value is read");
        tl_error_clear();

        bad_loss();
        tl_memory_trim("opaque");
        is_int(tl_error_code(), TL_OK, "the core's own waits tell nobody");
        is_int(tl_synchronize("opaque"), TL_ERR_INDEX, "but keep it for who asks");
        tl_error_clear();
        is_int(tl_synchronize("opaque"), TL_OK, "once");
    }
    snprintf(path, sizeof path, "rm -rf '%s'", root);
    if (system(path) != 0)
        diag("the temporary folder stays");
    tl_shutdown();
    return done_testing();
}
