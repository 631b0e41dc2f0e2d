/* SPDX-License-Identifier: Apache-2.0
 *
 * A program that loads the library at run time, and lets go of it while a thread that used it is still to end.
 */
#include <dlfcn.h>
#include <pthread.h>

#include "tap.h"

static void *library;

static void *use_and_close(void *unused)
{
    (void)unused;
    void *(*make)(double) = (void *(*)(double))(uintptr_t)dlsym(library, "tl_scalar");
    void *(*add)(void *, void *) = (void *(*)(void *, void *))(uintptr_t)dlsym(library, "tl_add");
    void *sum = make && add ? add(make(1), make(2)) : NULL;
    dlclose(library);
    return sum;
}

int main(void)
{
    pthread_t thread;
    void *sum = NULL;
    library = dlopen(TEST_BUILDDIR "/core/.libs/libtelar.so", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        bail_out("cannot load the library: %s", dlerror());
    ok(pthread_create(&thread, NULL, use_and_close, NULL) == 0 && pthread_join(thread, &sum) == 0, "a thread uses the library, closes it, and ends");
    ok(sum != NULL, "having computed something");
    return done_testing();
}
