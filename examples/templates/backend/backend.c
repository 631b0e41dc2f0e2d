/* A Telar backend in one file: matrix products of f32 in host memory. What it has no kernel for, or refuses, is done by the backends that are
 * named after it in TELAR_BACKEND, and last by the slow reference. It links against nothing of Telar.
 *
 *     make check
 *     TELAR_PLUGIN_PATH=$PWD TELAR_BACKEND=mine,cpu telar train mlp
 *
 * For your own: give `mine` another name (below, in PLUGIN of the Makefile, in the maker), then replace the kernel. docs/kernels.md has the
 * operands of each op, <telar/attrs.h> its attributes, <telar/backend.h> the rules, docs/add-a-backend.md all that this one leaves out. */
#include <telar/attrs.h>
#include <telar/backend.h>

static const struct tl_host *host; /* all that a backend has of Telar: errors, logs, the number of threads, a cache on disk */

/* ---- The kernel: matmul, a [m,k] b [k,n] -> y [m,n], or the same with a batch in front -------------------------------------------------- */

enum { TILE = 64 }; /* columns of b that are packed, and summed, side by side */

/* Why this call is not done here; NULL: it is. The core has checked shapes: types, and what else you do not do, are yours to refuse. */
static const char *refuses(const struct tl_device *device, const struct tl_call *call)
{
    (void)device;
    return call->out[0].dtype == TL_F32 ? NULL : "f32 only";
}

/* Once for each shape: take inputs with any strides (a transposed weight costs no copy), give a row-major output, ask for scratch memory. */
static tl_status prepare(const struct tl_device *device, const struct tl_call *call, struct tl_prep *prep)
{
    (void)device;
    int64_t depth = call->in[0].shape[call->in[0].ndim - 1];
    prep->in_layout[0] = prep->in_layout[1] = TL_LAYOUT_STRIDED;
    prep->workspace = (size_t)depth * TILE * sizeof(float);
    return TL_OK; /* or: return host->fail(TL_ERR_NOMEM, "mine: …") */
}

/* Columns from `first` on of a b with strides k, j; zeros beyond the last. */
static void pack(float *panel, const float *b, int64_t depth, int64_t n, int64_t k_step, int64_t j_step, int64_t first)
{
    for (int64_t k = 0; k < depth; k++)
        for (int64_t j = 0; j < TILE; j++)
            panel[k * TILE + j] = first + j < n ? b[k * k_step + (first + j) * j_step] : 0;
}

/* Done when it returns, and safe on several threads at once: that is what host memory asks for. Sizes may be 0. */
static tl_status run(struct tl_stream *stream, const void *plan, const struct tl_call *call, struct tl_mem workspace)
{
    (void)stream, (void)plan;
    const struct tl_view *a = &call->in[0], *b = &call->in[1], *y = &call->out[0];
    int row = y->ndim - 2, column = y->ndim - 1;
    int64_t batch = row ? y->shape[0] : 1, m = y->shape[row], n = y->shape[column], depth = a->shape[column];
    float *panel = tl_mem_ptr(workspace);
    for (int64_t s = 0; s < batch; s++) {
        const float *pa = (const float *)tl_mem_ptr(a->mem) + (row ? s * a->stride[0] : 0);
        const float *pb = (const float *)tl_mem_ptr(b->mem) + (row ? s * b->stride[0] : 0);
        float *py = (float *)tl_mem_ptr(y->mem) + s * m * n;
        for (int64_t first = 0; first < n; first += TILE) {
            pack(panel, pb, depth, n, b->stride[row], b->stride[column], first);
            for (int64_t i = 0; i < m; i++) {
                double sum[TILE] = {0}; /* so that long sums in f32 lose no digits */
                for (int64_t k = 0; k < depth; k++) {
                    double factor = pa[i * a->stride[row] + k * a->stride[column]];
                    for (int j = 0; j < TILE; j++)
                        sum[j] += factor * panel[k * TILE + j];
                }
                for (int64_t j = 0; j < TILE && first + j < n; j++)
                    py[i * n + first + j] = (float)sum[j];
            }
        }
    }
    return TL_OK;
}

static const struct tl_kernel matmul = {
    .struct_size = sizeof(struct tl_kernel), .op = "matmul", .maker = "mine:tiles", .refuses = refuses, .prepare = prepare, .run = run};
static const struct tl_kernel *const kernels[] = {&matmul, NULL}; /* of two for one op, the better first */

/* ---- The device: the host's memory, so that it joins `cpu`, and the core allocates and copies -------------------------------------------- */

static tl_status device_count(int *count)
{
    *count = 1; /* 0: this machine lacks what the kernels need */
    return TL_OK;
}

static tl_status device_open(int index, struct tl_device **device)
{
    static struct tl_device one = {.struct_size = sizeof one, .flags = TL_DEVICE_HOST_MEMORY, .alignment = 64, .description = "tiles in plain C"};
    one.index = index;
    *device = &one;
    return TL_OK;
}

static void device_close(struct tl_device *device)
{
    (void)device;
}

static const struct tl_backend backend = {
    .struct_size = sizeof backend, .device_count = device_count, .device_open = device_open, .device_close = device_close, .kernels = kernels};

/* ---- What the shared object exports: this description, and no function ------------------------------------------------------------------- */

static tl_status open_backend(const struct tl_host *given, const void **iface, struct tl_error *err)
{
    (void)err; /* to refuse: fill err->code and err->message, and return the code */
    host = given;
    host->log(TL_LOG_DEBUG, "mine", "open; kernels should use %d threads", host->num_threads());
    *iface = &backend;
    return TL_OK;
}

const struct tl_plugin telar_plugin = {
    .magic = TL_PLUGIN_MAGIC, .struct_size = sizeof(struct tl_plugin), .abi = TL_BACKEND_ABI, .kind = "backend", .name = "mine",
    .version = "1.0", .summary = "matrix products by tiles, in plain C", .open = open_backend};
