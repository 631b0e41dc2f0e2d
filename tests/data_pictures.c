/* SPDX-License-Identifier: Apache-2.0
 *
 * The data plugins for pictures: idx files (MNIST), CIFAR-10's binary version, folders of JPEG and PNG (decoded and resized to the bytes
 * that the files golden/pictures*.txt have from Pillow); and every file that is cut short or lies.
 */
#include "files.h"

#include <inttypes.h>
#include <telar/data.h>
#include <telar/telar.h>
#include <time.h>

static void bad(const char *what, tl_dataset *d, tl_status code, const char *words)
{
    ok(!d, "%s is refused", what);
    is_string(tl_status_name(tl_error_code()), tl_status_name(code), "with the right code");
    contains(tl_error_message(), words, "it says what and where");
    tl_dataset_free(d);
    tl_error_clear();
}

static int64_t label(tl_dataset *d, int64_t row)
{
    int64_t v = -1;

    tl_dataset_labels(d, &row, 1, &v);
    return v;
}

/* ---- idx ---- */

static unsigned char idx_file[20000];

/* A picture file of n pictures, or a label file. Returns its size. */
static size_t make_images(uint32_t n, uint32_t rows, uint32_t columns)
{
    const uint32_t dims[3] = {n, rows, columns};
    size_t at = 4;

    memcpy(idx_file, "\0\0\x08\x03", 4);
    for (int d = 0; d < 3; d++)
        for (int s = 24; s >= 0; s -= 8)
            idx_file[at++] = (unsigned char)(dims[d] >> s);
    for (size_t i = 0; i < (size_t)n * rows * columns; i++)
        idx_file[at++] = (unsigned char)(i * 7);
    return at;
}

static size_t make_labels(uint32_t n)
{
    memcpy(idx_file, "\0\0\x08\x01\0\0", 6);
    idx_file[6] = (unsigned char)(n >> 8);
    idx_file[7] = (unsigned char)n;
    for (uint32_t i = 0; i < n; i++)
        idx_file[8 + i] = (unsigned char)(i % 10);
    return 8 + n;
}

static void write_idx(void)
{
    files_write("train-images-idx3-ubyte", idx_file, make_images(30, 4, 5));
    files_write("train-labels-idx1-ubyte", idx_file, make_labels(30));
    files_write("t10k-images-idx3-ubyte", idx_file, make_images(10, 4, 5));
    files_write("t10k-labels-idx1-ubyte", idx_file, make_labels(10));
}

static tl_dataset *idx(const char *split)
{
    return tl_data_open("mnist", .path = files_folder, .split = split);
}

static void check_idx(void)
{
    write_idx();
    tl_dataset *d = idx(NULL), *train = idx("train"), *test = idx("test");
    ok(d && train && test && tl_dataset_size(d) == 40 && tl_dataset_size(train) == 30 && tl_dataset_size(test) == 10, "idx: parts and whole");
    ok(train && tl_dataset_info(train)->ndim == 3 && tl_dataset_info(train)->shape[1] == 4 && tl_dataset_info(train)->shape[2] == 5, "their shape");
    TL_SCOPE
    {
        tl_tensor *t[2];
        int64_t index[2] = {3, 33};
        ok(d && tl_dataset_batch(d, index, 2, t) == TL_OK && tl_ndim(t[0]) == 4 && tl_item_i64(tl_select(t[1], 0, 1)) == 3, "a batch");
        const float *v = tl_data(t[0]);
        ok(v[1] == (float)((60 * 7 + 7) % 256) / 255 && v[20] == v[0], "of numbers in [0, 1]");
    }
    tl_dataset_free(d);
    tl_dataset_free(train);
    tl_dataset_free(test);
    d = tl_data_open("mnist", .path = files_folder, .split = "test", .options = "raw");
    TL_SCOPE
    {
        tl_tensor *t[2];
        int64_t i = 1;
        ok(d && tl_dataset_batch(d, &i, 1, t) == TL_OK && tl_dtype_of(t[0]) == TL_U8 && ((const unsigned char *)tl_data(t[0]))[0] == 140, "raw bytes");
    }
    tl_dataset_free(d);
    d = tl_data_open(files_folder);
    ok(d && tl_dataset_size(d) == 40, "a folder with idx files is known");
    tl_dataset_free(d);
    d = tl_data_open(files_name("t10k-images-idx3-ubyte"));
    ok(d && tl_dataset_size(d) == 10, "so is a file");
    tl_dataset_free(d);

    unsigned char packed[2000];
    size_t n = make_images(10, 4, 5), m = files_gzip(idx_file, n, packed);
    unlink(files_name("t10k-images-idx3-ubyte"));
    files_write("t10k-images-idx3-ubyte.gz", packed, m);
    d = idx("test");
    if (!d && tl_error_code() == TL_ERR_UNSUPPORTED) {
        skip(7, "built without zlib");
        tl_error_clear();
    } else {
        ok(d && tl_dataset_size(d) == 10, "a compressed file");
        tl_dataset_free(d);
        files_write("t10k-images-idx3-ubyte.gz", packed, m / 2);
        bad("one that is cut short", idx("test"), TL_ERR_TRUNCATED, "t10k-images-idx3-ubyte.gz\" is a gzip file that ends too early");
        packed[40] ^= 4;
        files_write("t10k-images-idx3-ubyte.gz", packed, m);
        bad("one with a changed byte", idx("test"), TL_ERR_FORMAT, "damaged gzip");
    }
    unlink(files_name("t10k-images-idx3-ubyte.gz"));
}

/* Put a big-endian number at a byte of the file in hand. */
static size_t put(size_t at, uint32_t v, size_t n)
{
    for (int i = 0; i < 4; i++)
        idx_file[at + (size_t)i] = (unsigned char)(v >> (24 - 8 * i));
    return n;
}

/* write_idx() uses the same bytes: keep a copy of what was made. */
#define BAD_IDX(what, name, make, code, words)               \
    do {                                                     \
        size_t size_ = (make);                               \
        unsigned char *copy_ = malloc(size_ + 1);            \
        memcpy(copy_, idx_file, size_);                      \
        write_idx();                                         \
        memcpy(idx_file, copy_, size_);                      \
        free(copy_);                                         \
        files_write(name, idx_file, size_);                  \
        bad(what, idx("train"), code, words);                \
    } while (0)

static void check_bad_idx(void)
{
    static const char images[] = "train-images-idx3-ubyte", labels[] = "train-labels-idx1-ubyte";

    BAD_IDX("an empty file", images, make_images(30, 4, 5) * 0, TL_ERR_FORMAT, "two zero bytes");
    BAD_IDX("a header cut short", images, make_images(30, 4, 5) * 0 + 9, TL_ERR_TRUNCATED, "byte 9, inside its header of 16");
    BAD_IDX("pixels cut short", images, make_images(30, 4, 5) - 1, TL_ERR_TRUNCATED, "ask for 600 bytes after the header, it has 599");
    BAD_IDX("bytes too many", images, make_images(30, 4, 5) + 1, TL_ERR_FORMAT, "1 bytes follow");
    BAD_IDX("a number of pictures that lies", images, put(4, 0xffffffff, make_images(30, 4, 5)), TL_ERR_TRUNCATED, "ask for 85899345900");
    BAD_IDX("a height that lies", images, put(8, 0xffffffff, make_images(30, 4, 5)), TL_ERR_LIMIT, "byte 8: pictures of 4294967295");
    BAD_IDX("pictures without columns", images, put(12, 0, make_images(30, 4, 5)), TL_ERR_LIMIT, "byte 12");
    BAD_IDX("the largest lie", images, put(4, 0xffffffff, put(8, 65536, put(12, 65536, make_images(30, 4, 5)))), TL_ERR_TRUNCATED,
            "18446744069414584320");
    BAD_IDX("a wrong magic number", images, put(0, 0x01000803, make_images(30, 4, 5)), TL_ERR_FORMAT, "not an idx file");
    BAD_IDX("floats", images, put(0, 0x00000d03, make_images(30, 4, 5)), TL_ERR_UNSUPPORTED, "type 0x0d");
    BAD_IDX("labels in place of pictures", images, make_labels(30), TL_ERR_FORMAT, "1 dimensions; a picture file has 3");
    BAD_IDX("too few labels", labels, make_labels(29), TL_ERR_FORMAT, "has 30 pictures");
    BAD_IDX("labels cut short", labels, make_labels(30) - 3, TL_ERR_TRUNCATED, "it has 27");
    BAD_IDX("a label of 10", labels, put(20, 0x00010a03, make_labels(30)), TL_ERR_FORMAT, "byte 22: label 10 of sample 14");
    write_idx();
    unlink(files_name("train-labels-idx1-ubyte"));
    bad("a missing label file", idx("train"), TL_ERR_NOT_FOUND, "train-labels-idx1");
    bad("a folder without the files", tl_data_open("mnist", .path = "/nowhere"), TL_ERR_NOT_FOUND, "cannot open \"/nowhere\"");
    bad("a set that is not there", tl_data_open("fashion-mnist"), TL_ERR_NOT_FOUND, "fashion-mnist");
    bad("idx without a path", tl_data_open("idx"), TL_ERR_ARGUMENT, "give the path");
    unlink(files_name("train-images-idx3-ubyte"));
    unlink(files_name("t10k-images-idx3-ubyte"));
    unlink(files_name("t10k-labels-idx1-ubyte"));
}

/* The real thing, where it is. */
static void check_mnist(const char *data)
{
    char path[400];

    snprintf(path, sizeof path, "%s/mnist/train-images-idx3-ubyte.gz", data ? data : "");
    if (!data || access(path, R_OK) != 0) {
        skip(5, "no MNIST: TELAR_DATA names no folder with mnist/ in it");
        return;
    }
    setenv("TELAR_DATA", data, 1);
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    tl_dataset *train = tl_data_open("mnist", .split = "train"), *test = tl_data_open("mnist", .split = "test");
    clock_gettime(CLOCK_MONOTONIC, &b);
    diag("MNIST opened in %.2f s", (double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec));
    if (!ok(train && test && tl_dataset_size(train) == 60000 && tl_dataset_size(test) == 10000, "MNIST"))
        bail_out("%s", tl_error_message());
    is_int(label(train, 0), 5, "its first digit is a 5");
    is_int(label(test, 9999), 6, "its last a 6");
    tl_loader *l = tl_loader_new(train, .batch_size = 1000, .workers = 2);
    int64_t n = 0, more = tl_loader_start(l) == TL_OK;
    double sum = 0;
    clock_gettime(CLOCK_MONOTONIC, &a);
    while (more == 1)
        TL_SCOPE
        {
            tl_tensor *t[2];
            if ((more = tl_loader_next(l, t)) != 1)
                break;
            const float *v = tl_data(t[0]);
            for (int64_t i = 0; i < 784000; i += 1)
                sum += (double)v[i];
            n += tl_size(t[0], 0);
        }
    clock_gettime(CLOCK_MONOTONIC, &b);
    diag("60,000 pictures in batches of 1,000 in %.2f s", (double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec));
    ok(more == 0 && n == 60000, "all of it comes in batches");
    is_float(sum / (60000.0 * 784), 0.1306605, 1e-6, "its mean is the known one");
    tl_loader_free(l);
    tl_dataset_free(train);
    tl_dataset_free(test);
    unsetenv("TELAR_DATA");
}

/* ---- CIFAR-10 ---- */

static void check_cifar(const char *data)
{
    static unsigned char records[20 * 3073];
    uint32_t state = 1;

    for (size_t i = 0; i < sizeof records; i++)
        records[i] = i % 3073 ? (unsigned char)files_random(&state) : (unsigned char)(i / 3073 % 10);
    files_mkdir("cifar");
    files_write("cifar/data_batch_1.bin", records, 12 * 3073);
    files_write("cifar/data_batch_2.bin", records + 12 * 3073, 8 * 3073);
    tl_dataset *d = tl_data_open("cifar10", .path = files_name("cifar"), .split = "train");
    ok(d && tl_dataset_size(d) == 20, "cifar10: without a test file the folder is cut by class: every class has one more than two fifths");
    tl_dataset_free(d);
    files_write("cifar/test_batch.bin", records, 5 * 3073);
    d = tl_data_open("cifar10", .path = files_name("cifar"));
    ok(d && tl_dataset_size(d) == 25 && tl_dataset_info(d)->shape[0] == 3 && tl_dataset_info(d)->shape[2] == 32, "cifar10: all files");
    ok(d && label(d, 13) == 3 && strcmp(tl_dataset_info(d)->classes[3], "cat") == 0, "labels and their names");
    TL_SCOPE
    {
        tl_tensor *t[2];
        int64_t i = 13;
        ok(d && tl_dataset_batch(d, &i, 1, t) == TL_OK && ((const float *)tl_data(t[0]))[1024] == (float)records[13 * 3073 + 1 + 1024] / 255,
           "the pixels, plane by plane");
    }
    tl_dataset_free(d);
    d = tl_data_open("cifar10", .path = files_name("cifar"), .split = "test");
    ok(d && tl_dataset_size(d) == 5, "the test part");
    tl_dataset_free(d);
    d = tl_data_open(files_name("cifar"));
    ok(d && tl_dataset_size(d) == 25, "the folder is known by its files");
    tl_dataset_free(d);

    bad("records cut short", tl_data_open(files_write("cut.bin", records, 3 * 3073 - 5)), TL_ERR_TRUNCATED, "the last one ends after 3068");
    bad("an empty file", tl_data_open(files_write("cut.bin", records, 0)), TL_ERR_TRUNCATED, "is empty");
    records[2 * 3073] = 10;
    bad("a label of 10", tl_data_open(files_write("cut.bin", records, 3 * 3073)), TL_ERR_FORMAT, "byte 6146: label 10 of record 2");
    bad("a folder that is not there", tl_data_open("cifar10", .path = "/nowhere"), TL_ERR_NOT_FOUND, "/nowhere");
    bad("no folder at all", tl_data_open("cifar10"), TL_ERR_NOT_FOUND, "none of these folders");

    if (!data || !(setenv("TELAR_DATA", data, 1), d = tl_data_open("cifar10"))) {
        skip(1, "no CIFAR-10 in TELAR_DATA");
        tl_error_clear();
    } else
        ok(tl_dataset_size(d) >= 4000, "the real CIFAR-10, %" PRId64 " pictures", tl_dataset_size(d));
    if (data)
        tl_dataset_free(d);
    unsetenv("TELAR_DATA");
}

/* ---- Folders ---- */

#define PICTURES TEST_SRCDIR "/tests/golden/pictures"

/* The number of a picture in the order of the folder: classes, then names, by bytes. */
static const char *const order[] = {"birds/bits.png", "birds/grey.png", "birds/palette.png", "birds/rgb.png", "birds/rgba.png",
                                    "cats/grey.JPG", "cats/progressive.jpeg", "cats/rgb.jpg", "odd/cmyk.jpg"};

/* Red, green, blue of each pixel, as Pillow keeps them, hashed. */
static uint64_t hash_picture(const unsigned char *planes, size_t plane, unsigned char first[12])
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < plane * 3; i++) {
        unsigned char v = planes[i % 3 * plane + i / 3];
        if (i < 12)
            first[i] = v;
        h = (h ^ v) * UINT64_C(0x100000001b3);
    }
    return h;
}

static void check_golden_line(const char *name, int64_t height, int64_t width, uint64_t want, const char *bytes)
{
    char options[80];
    snprintf(options, sizeof options, "raw,height=%lld,width=%lld", (long long)height, (long long)width);
    tl_dataset *d = tl_data_open("folder", .path = PICTURES, .options = options);
    int64_t i = 0;
    unsigned char first[12] = {0};

    while (i < 8 && strcmp(order[i], name) != 0)
        i++;
    TL_SCOPE
    {
        tl_tensor *t[2];
        bool good = d && tl_dataset_batch(d, &i, 1, t) == TL_OK;
        uint64_t got = good ? hash_picture(tl_data(t[0]), (size_t)(height * width), first) : 0;
        if (!ok(good && got == want, "%s at %" PRId64 " x %" PRId64 " is as Pillow makes it", name, height, width))
            diag("%s; begins %d %d %d %d %d %d, expected %s", tl_error_message(), first[0], first[1], first[2], first[3], first[4],
                 first[5], bytes);
    }
    tl_error_clear();
    tl_dataset_free(d);
}

static void check_golden(void)
{
    FILE *f = fopen(TEST_SRCDIR "/tests/golden/pictures.txt", "r");
    char line[300], name[100];
    long long height, width;
    unsigned long long hash;
    int n = 0;

    if (!f)
        bail_out("no golden/pictures.txt");
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "%99s %lld %lld %llx :%n", name, &height, &width, &hash, &n) == 4)
            check_golden_line(name, height, width, hash, line + n);
    fclose(f);
}

static void check_cropped_line(const char *name, int64_t resize, int64_t crop, uint64_t want, const char *bytes)
{
    char path[400], options[80];
    snprintf(path, sizeof path, "%s/%s", PICTURES, name);
    snprintf(options, sizeof options, "raw,resize=%lld,crop=%lld", (long long)resize, (long long)crop);
    tl_dataset *d = tl_data_open("folder", .path = path, .options = options);
    int64_t i = 0;
    unsigned char first[12] = {0};

    TL_SCOPE
    {
        tl_tensor *t[2];
        bool good = d && tl_dataset_batch(d, &i, 1, t) == TL_OK && tl_numel(t[0]) == 3 * crop * crop;
        uint64_t got = good ? hash_picture(tl_data(t[0]), (size_t)(crop * crop), first) : 0;
        if (!ok(good && got == want, "%s, %s: as torchvision makes it", name, options))
            diag("%s; begins %d %d %d %d %d %d, expected %s", tl_error_message(), first[0], first[1], first[2], first[3], first[4],
                 first[5], bytes);
    }
    tl_error_clear();
    tl_dataset_free(d);
}

static void check_cropped(void)
{
    FILE *f = fopen(TEST_SRCDIR "/tests/golden/pictures_cropped.txt", "r");
    char line[300], name[100];
    long long resize, crop;
    unsigned long long hash;
    int n = 0;

    if (!f)
        bail_out("no golden/pictures_cropped.txt");
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "%99s %lld %lld %llx :%n", name, &resize, &crop, &hash, &n) == 4)
            check_cropped_line(name, resize, crop, hash, line + n);
    fclose(f);
    tl_dataset *d = tl_data_open("folder", .path = PICTURES "/birds/rgb.png", .options = "resize=65535,crop=9");
    TL_SCOPE
    {
        tl_tensor *t[1];
        is_int(d ? tl_dataset_get(d, 0, t) : TL_OK, TL_ERR_LIMIT, "a picture that would be larger than memory");
        contains(tl_error_message(), "rgb.png\": 20 x 30 pixels, resized to 65535 x 98302, are more than", "both sizes are told");
        tl_error_clear();
    }
    tl_dataset_free(d);
    bad("a length without a crop", tl_data_open("folder", .path = PICTURES, .options = "resize=9"), TL_ERR_ARGUMENT, "resize goes with crop");
    bad("a crop of more than there is", tl_data_open("folder", .path = PICTURES, .options = "resize=9,crop=10"), TL_ERR_ARGUMENT,
        "crop=10 cannot be cut out of pictures with resize=9");
    bad("a crop and a size", tl_data_open("folder", .path = PICTURES, .options = "crop=9,height=9,width=9"), TL_ERR_ARGUMENT, "do not go with it");
    d = tl_data_open("folder", .path = PICTURES, .options = "crop=21");
    TL_SCOPE
    {
        tl_tensor *t[2];
        is_int(tl_dataset_batch(d, &(int64_t){0}, 1, t), TL_ERR_SHAPE, "a picture that is too small for its crop");
        contains(tl_error_message(), "cannot cut 21 x 21 pixels out of 20 x 30", "it says what there is");
    }
    tl_error_clear();
    tl_dataset_free(d);
}

static void check_kind(const char *name, int64_t height, int64_t width, uint64_t want, const char *bytes)
{
    char path[400];
    snprintf(path, sizeof path, "%s/tests/golden/pictures_kinds/%s", TEST_SRCDIR, name);
    tl_dataset *d = tl_data_open("folder", .path = path, .options = "raw");
    const struct tl_dataset_info *info = d ? tl_dataset_info(d) : NULL;
    int64_t i = 0;
    unsigned char first[12] = {0};

    ok(info && info->shape[1] == height && info->shape[2] == width, "%s is %lld x %lld", name, (long long)height, (long long)width);
    TL_SCOPE
    {
        tl_tensor *t[2];
        bool good = d && tl_dataset_batch(d, &i, 1, t) == TL_OK && tl_numel(t[0]) == 3 * height * width;
        uint64_t got = good ? hash_picture(tl_data(t[0]), (size_t)(height * width), first) : 0;
        if (!ok(good && got == want, "%s: the bytes of Pillow", name))
            diag("%s; begins %d %d %d %d %d %d, expected %s", tl_error_message(), first[0], first[1], first[2], first[3], first[4], first[5],
                 bytes);
    }
    tl_error_clear();
    tl_dataset_free(d);
}

/* Grey, palettes, 16 bits, inks, transparency, and every orientation. */
static void check_kinds(void)
{
    FILE *f = fopen(TEST_SRCDIR "/tests/golden/pictures_kinds.txt", "r");
    char line[300], name[100];
    long long height, width;
    unsigned long long hash;
    int n = 0, lines = 0;

    if (!f)
        bail_out("no golden/pictures_kinds.txt");
    for (; fgets(line, sizeof line, f); lines++)
        if (sscanf(line, "%99s %lld %lld %llx :%n", name, &height, &width, &hash, &n) == 4)
            check_kind(name, height, width, hash, line + n);
    fclose(f);
    is_int(lines, 27, "all kinds");
}

/* Whatever its EXIF data say, a picture that is well is read, upright or lying, and nothing beyond them is looked at. */
static void check_exif_damage(void)
{
    static unsigned char bytes[4096], changed[4096];
    FILE *f = fopen(TEST_SRCDIR "/tests/golden/pictures_kinds/turned_6.jpg", "rb");
    size_t n = f ? fread(bytes, 1, sizeof bytes, f) : 0;
    int read = 0, wanted = 0;
    static const unsigned char values[] = {0, 1, 2, 4, 8, 0x7f, 0x80, 0xff};

    if (f)
        fclose(f);
    if (n < 64 || memcmp(bytes + 6, "Exif", 4) != 0)
        bail_out("turned_6.jpg is not what the test was made for");
    size_t end = 4 + (size_t)(bytes[4] << 8 | bytes[5]);
    for (size_t at = 6; at < end; at++)
        for (size_t k = 0; k < sizeof values + 1; k++) {
            memcpy(changed, bytes, n);
            size_t cut = k == sizeof values ? end - at : 0; /* the data end here */
            if (cut) {
                memmove(changed + at, changed + end, n - end);
                changed[4] = (unsigned char)((end - cut - 4) >> 8);
                changed[5] = (unsigned char)(end - cut - 4);
            } else
                changed[at] = values[k];
            tl_dataset *d = tl_data_open("folder", .path = files_write("exif.jpg", changed, n - cut));
            const struct tl_dataset_info *info = d ? tl_dataset_info(d) : NULL;
            wanted++;
            read += info && info->shape[1] + info->shape[2] == 20;
            tl_dataset_free(d);
        }
    is_int(read, wanted, "%d pictures with damaged EXIF data", wanted);
    tl_dataset *d = tl_data_open("folder", .path = files_write("exif.jpg", bytes, n));
    ok(d && tl_dataset_info(d)->shape[1] == 12, "and the whole one is turned");
    tl_dataset_free(d);

    f = fopen(TEST_SRCDIR "/tests/golden/pictures_kinds/turned_6.png", "rb");
    n = f ? fread(bytes, 1, sizeof bytes, f) : 0;
    if (f)
        fclose(f);
    for (size_t i = 0; i + 8 < n; i++)
        if (memcmp(bytes + i, "eXIf", 4) == 0)
            bytes[i + 5] ^= 1;
    bad("a PNG with damaged EXIF data", tl_data_open("folder", .path = files_write("exif.png", bytes, n)), TL_ERR_FORMAT,
        "the checksum of its chunk eXIf at byte 33 is wrong");
}

static void copy_file(const char *from, const char *to, size_t skip_end, size_t change, unsigned char value)
{
    static unsigned char bytes[4096];
    FILE *f = fopen(from, "rb");
    size_t n = f ? fread(bytes, 1, sizeof bytes, f) : 0;

    if (f)
        fclose(f);
    if (n == 0)
        bail_out("cannot read %s", from);
    if (change)
        bytes[change] = value;
    files_write(to, bytes, n - skip_end);
}

/* One picture in a folder of its own, fetched through a loader: what does it say? */
static void bad_picture(const char *what, const char *name, tl_status code, const char *words)
{
    char path[400];

    snprintf(path, sizeof path, "%s", files_name("one"));
    tl_dataset *d = tl_data_open("folder", .path = path, .options = "height=8,width=8");
    tl_loader *l = d ? tl_loader_new(d, .workers = 1) : NULL;
    TL_SCOPE
    {
        tl_tensor *t[2];
        ok(l && tl_loader_start(l) == TL_OK && tl_loader_next(l, t) == -1, "%s is refused", what);
        is_string(tl_status_name(tl_error_code()), tl_status_name(code), "with the right code");
        contains(tl_error_message(), words, "it says what");
        contains(tl_error_message(), name, "and names the file");
    }
    tl_error_clear();
    tl_loader_free(l);
    tl_dataset_free(d);
    char file[100];
    snprintf(file, sizeof file, "one/class/%s", name);
    unlink(files_name(file));
}

/* A progressive picture whose last pass is repeated a thousand times. */
static void check_many_passes(void)
{
    static unsigned char bytes[4096], many[1 << 20];
    FILE *f = fopen(TEST_SRCDIR "/tests/golden/pictures_kinds/grey_progressive.jpg", "rb");
    size_t n = f ? fread(bytes, 1, sizeof bytes, f) : 0, begin = 0;

    if (f)
        fclose(f);
    for (size_t i = 0; i + 1 < n; i++)
        if (bytes[i] == 0xff && bytes[i + 1] == 0xda)
            begin = i;
    size_t length = n - 2 - begin, at = begin;
    memcpy(many, bytes, begin);
    for (int i = 0; i < 1000; i++, at += length)
        memcpy(many + at, bytes + begin, length);
    memcpy(many + at, "\xff\xd9", 2);
    files_write("one/class/a.jpg", many, at + 2);
    bad_picture("a picture in a thousand passes", "a.jpg", TL_ERR_LIMIT, "more than 200 passes");
}

static void check_bad_pictures(void)
{
    files_mkdir("one");
    files_mkdir("one/class");
    copy_file(PICTURES "/cats/rgb.jpg", "one/class/a.jpg", 200, 0, 0);
    bad_picture("a JPEG cut short", "a.jpg", TL_ERR_TRUNCATED, "damaged JPEG");
    copy_file(PICTURES "/cats/progressive.jpeg", "one/class/a.jpg", 100, 0, 0);
    bad_picture("a progressive one cut short", "a.jpg", TL_ERR_TRUNCATED, "damaged JPEG");
    copy_file(PICTURES "/cats/rgb.jpg", "one/class/a.jpg", 850, 0, 0);
    bad_picture("a JPEG of a few bytes", "a.jpg", TL_ERR_TRUNCATED, "damaged JPEG");
    copy_file(PICTURES "/birds/rgb.png", "one/class/a.png", 100, 0, 0);
    bad_picture("a PNG cut short", "a.png", TL_ERR_TRUNCATED, "ends too early");
    copy_file(PICTURES "/birds/rgb.png", "one/class/a.png", 0, 120, 0x5a);
    bad_picture("a PNG with a changed byte", "a.png", TL_ERR_FORMAT, "damaged PNG");
    copy_file(PICTURES "/birds/rgb.png", "one/class/a.png", 0, 18, 0xff);
    bad_picture("a PNG whose width lies", "a.png", TL_ERR_FORMAT, "damaged PNG");
    files_write("one/class/a.jpg", "GIF89a", 6);
    bad_picture("something else", "a.jpg", TL_ERR_FORMAT, "neither JPEG nor PNG");
    files_write("one/class/a.png", "", 0);
    bad_picture("an empty file", "a.png", TL_ERR_TRUNCATED, "is empty");
    copy_file(PICTURES "_two.jpg", "one/class/a.jpg", 0, 0, 0);
    bad_picture("a picture of two components", "a.jpg", TL_ERR_UNSUPPORTED, "2 colour components");
    check_many_passes();

    /* a JPEG that declares 65,500 x 65,500 pixels: byte positions of its frame header are searched */
    static unsigned char bytes[4096];
    FILE *f = fopen(PICTURES "/cats/rgb.jpg", "rb");
    size_t n = f ? fread(bytes, 1, sizeof bytes, f) : 0;
    if (f)
        fclose(f);
    for (size_t i = 0; i + 9 < n; i++)
        if (bytes[i] == 0xff && bytes[i + 1] == 0xc0)
            memcpy(bytes + i + 5, "\xff\xdc\xff\xdc", 4);
    bad("as a set of its own, before room is made for it", tl_data_open(files_write("huge.jpg", bytes, n)), TL_ERR_LIMIT, "65500");
    files_write("one/class/a.jpg", bytes, n);
    bad_picture("a JPEG of 65,500 x 65,500 pixels", "a.jpg", TL_ERR_LIMIT, "65500");
    for (size_t i = 0; i + 9 < n; i++)
        if (bytes[i] == 0xff && bytes[i + 1] == 0xc0)
            memcpy(bytes + i + 5, "\x10\x00\x10\x00", 4);
    bad("one of 4,096 x 4,096 pixels in a few bytes", tl_data_open(files_write("wide.jpg", bytes, n)), TL_ERR_FORMAT,
        "4096 x 4096 pixels are declared, more than its");

    uint32_t state = 99;
    int made = 0, refused = 0;
    for (int round = 0; round < 300; round++) {
        const char *from = round % 2 ? PICTURES "/cats/rgb.jpg" : PICTURES "/birds/palette.png";
        uint32_t at = files_random(&state), value = files_random(&state);
        copy_file(from, "one/class/a.png", round % 3 ? 0 : files_random(&state) % 250, 2 + at % 290, (unsigned char)value);
        char path[400];
        snprintf(path, sizeof path, "%s", files_name("one"));
        tl_dataset *d = tl_data_open("folder", .path = path, .options = "height=4,width=4");
        TL_SCOPE
        {
            tl_tensor *t[2];
            int64_t i = 0;
            bool good = d && tl_dataset_batch(d, &i, 1, t) == TL_OK;
            made += good;
            refused += !good && tl_error_code() != TL_OK;
        }
        tl_error_clear();
        tl_dataset_free(d);
    }
    is_int(made + refused, 300, "damaged pictures are decoded (%d) or refused (%d)", made, refused);
    unlink(files_name("one/class/a.png"));
}

/* One picture by its path, and the grey of Pillow's convert("L"). */
static void check_single(void)
{
    tl_dataset *d = tl_data_open(PICTURES "/birds/rgb.png"), *grey = tl_data_open("folder", .path = PICTURES "/birds/rgb.png",
                                                                                .options = "grey,raw");
    const struct tl_dataset_info *info = tl_dataset_info(d);
    int64_t row = 0, unlabelled;
    ok(d && info->size == 1 && info->n_fields == 1 && info->n_classes == 0 && info->shape[0] == 3 && info->shape[2] == 30, "a picture by itself");
    ok(tl_dataset_labels(d, &row, 1, &unlabelled) == TL_ERR_DTYPE, "has no label: %s", tl_error_message());
    tl_error_clear();
    TL_SCOPE
    {
        tl_tensor *t[TL_MAX_FIELDS] = {NULL};
        bool read = grey && tl_dataset_batch(grey, &row, 1, t) == TL_OK && tl_numel(t[0]) == 600 && tl_size(t[0], 1) == 1;
        const unsigned char *v = read ? tl_data(t[0]) : NULL;
        int64_t sum = 0;
        for (int i = 0; v && i < 600; i++)
            sum += v[i];
        ok(v && sum == 68360 && v[0] == 0 && v[77] == 59 && v[599] == 208, "grey as Pillow's: %lld", (long long)sum);
    }
    tl_dataset_free(d);
    tl_dataset_free(grey);
    bad("parts of a picture", tl_data_open("folder", .path = PICTURES "/birds/rgb.png", .split = "test"), TL_ERR_ARGUMENT, "a single picture");
    bad("no picture", tl_data_open("./nowhere.JPG"), TL_ERR_NOT_FOUND, "cannot open \"./nowhere.JPG\"");
}

static void check_folder(void)
{
    tl_dataset *d = tl_data_open("folder", .path = PICTURES);

    if (!d && tl_error_code() == TL_ERR_NOT_FOUND) {
        skip(1, "the folder plugin is not built: %s", tl_error_message());
        tl_error_clear();
        return;
    }
    ok(d && tl_dataset_size(d) == 9 && tl_dataset_info(d)->n_classes == 3 && strcmp(tl_dataset_info(d)->classes[1], "cats") == 0,
       "a folder of pictures");
    ok(d && tl_dataset_info(d)->shape[0] == 3 && tl_dataset_info(d)->shape[1] == 20 && tl_dataset_info(d)->shape[2] == 30, "has the first one's size");
    ok(label(d, 4) == 0 && label(d, 5) == 1, "labels by subfolder");
    TL_SCOPE
    {
        tl_tensor *t[2];
        int64_t two[2] = {3, 1};
        ok(tl_dataset_batch(d, two, 2, t) == TL_OK && tl_dtype_of(t[0]) == TL_F32 && tl_ndim(t[0]) == 4, "a batch");
        const float *v = tl_data(t[0]);
        ok(v[1] == 8.0f / 255 && v[600 + 30] == 12.0f / 255, "in [0, 1]");
        ok(v[1800 + 77] == v[1800 + 600 + 77] && v[1800 + 77] == v[1800 + 1200 + 77], "grey pictures have three equal channels");
    }
    tl_dataset_free(d);
    check_golden();
    check_cropped();
    check_kinds();
    check_exif_damage();
    check_single();
    check_bad_pictures();

    char path[400];
    snprintf(path, sizeof path, "%s", files_name("parts"));
    files_mkdir("parts");
    files_mkdir("parts/train");
    files_mkdir("parts/test");
    files_mkdir("parts/train/u");
    files_mkdir("parts/train/v");
    files_mkdir("parts/test/v");
    copy_file(PICTURES "/birds/rgb.png", "parts/train/u/1.png", 0, 0, 0);
    copy_file(PICTURES "/birds/grey.png", "parts/train/v/1.png", 0, 0, 0);
    copy_file(PICTURES "/birds/bits.png", "parts/test/v/1.png", 0, 0, 0);
    tl_dataset *part[3] = {tl_data_open("folder", .path = path, .split = "train"), tl_data_open("folder", .path = path, .split = "test"),
                           tl_data_open("folder", .path = path)};
    ok(part[0] && tl_dataset_size(part[0]) == 2 && part[1] && tl_dataset_size(part[1]) == 1 && part[2] && tl_dataset_size(part[2]) == 3,
       "a folder with train and test has these parts");
    ok(part[1] && label(part[1], 0) == 1 && tl_dataset_info(part[1])->n_classes == 2, "with the same labels");
    for (int i = 0; i < 3; i++)
        tl_dataset_free(part[i]);
    copy_file(PICTURES "/cats/rgb.jpg", "parts/train/v/2.jpg", 0, 0, 0);
    files_mkdir("parts/test/w");
    bad("a class of the test part only", tl_data_open("folder", .path = path), TL_ERR_FORMAT, "class \"w\" is not among");
    rmdir(files_name("parts/test/w"));

    files_mkdir("sizes");
    files_mkdir("sizes/a");
    copy_file(PICTURES "/birds/rgb.png", "sizes/a/1.png", 0, 0, 0);
    static const unsigned char dot[] = {0x89, 'P', 'N', 'G', 13, 10, 26, 10, 0, 0, 0, 13, 'I', 'H', 'D', 'R', 0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0,
                                        0x3a, 0x7e, 0x9b, 0x55, 0, 0, 0, 10, 'I', 'D', 'A', 'T', 0x78, 0x9c, 0x63, 0x60, 0, 0, 0, 2, 0, 1,
                                        0x48, 0xaf, 0xa4, 0x71, 0, 0, 0, 0, 'I', 'E', 'N', 'D', 0xae, 0x42, 0x60, 0x82};
    files_write("sizes/a/2.png", dot, sizeof dot);
    snprintf(path, sizeof path, "%s", files_name("sizes"));
    d = tl_data_open("folder", .path = path);
    TL_SCOPE
    {
        tl_tensor *t[2];
        int64_t both[2] = {0, 1};
        is_int(tl_dataset_batch(d, both, 2, t), TL_ERR_SHAPE, "pictures of different sizes");
        contains(tl_error_message(), "2.png\": the picture is 1 x 1, the first of the folder 20 x 30", "both sizes and the file are told");
        tl_error_clear();
    }
    tl_dataset_free(d);
    bad("a height without a width", tl_data_open("folder", .path = path, .options = "height=3"), TL_ERR_ARGUMENT, "go together");
    bad("a folder without subfolders", tl_data_open("folder", .path = files_name("sizes/a")), TL_ERR_NOT_FOUND, "no subfolders");
    bad("a folder that is not there", tl_data_open("folder", .path = "/nowhere"), TL_ERR_NOT_FOUND, "cannot list \"/nowhere\"");
    bad("no path", tl_data_open("folder"), TL_ERR_ARGUMENT, "give the path");
    files_mkdir("none");
    files_mkdir("none/a");
    bad("subfolders without pictures", tl_data_open("folder", .path = files_name("none")), TL_ERR_NOT_FOUND, "no pictures");
    files_mkdir("none/b");
    copy_file(PICTURES "/birds/rgb.png", "none/b/1.png", 0, 0, 0);
    bad("one subfolder without pictures", tl_data_open("folder", .path = files_name("none")), TL_ERR_NOT_FOUND, "none/a\": no pictures (.jpg, .jpeg, .png) of this class");
}

int main(void)
{
    const char *data = getenv("TELAR_DATA") ? strdup(getenv("TELAR_DATA")) : NULL;

    files_begin("data_pictures");
    setenv("XDG_DATA_HOME", files_folder, 1);
    unsetenv("TELAR_DATA");
    check_idx();
    check_bad_idx();
    check_mnist(data);
    check_cifar(data);
    check_folder();
    files_end();
    free((char *)data);
    return done_testing();
}
