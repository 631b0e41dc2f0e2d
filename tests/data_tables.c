/* SPDX-License-Identifier: Apache-2.0
 *
 * The data plugin for tables: digits and wine as they are installed, tables as they are met, and every way in which a table can be
 * wrong, told with its file, line and column.
 */
#include <float.h>
#include "files.h"

#include <telar/data.h>
#include <telar/telar.h>

#define OPTIONS(...) (&(struct tl_data_options){TL_REST_(__VA_ARGS__, .struct_size = sizeof(struct tl_data_options))})

static tl_dataset *open_text(const char *text, const struct tl_data_options *given)
{
    struct tl_data_options o = *given;

    o.path = files_write("t.csv", text, strlen(text));
    return tl_data_open_with("csv", &o);
}

/* table(text, .option = …) */
#define table(...) open_text(TL_FIRST_(__VA_ARGS__, 0), OPTIONS(__VA_ARGS__))

static double feature(tl_dataset *d, int64_t row, int64_t column)
{
    double v = NAN;

    TL_SCOPE
    {
        tl_tensor *t[TL_MAX_FIELDS];
        if (tl_dataset_batch(d, &row, 1, t) == TL_OK)
            v = (double)((const float *)tl_data(t[0]))[column];
    }
    return v;
}

static int64_t label(tl_dataset *d, int64_t row)
{
    int64_t v = -1;

    tl_dataset_labels(d, &row, 1, &v);
    return v;
}

/* Sum of all features, and of label times (row + 1): enough to see that a table is the right one. */
static void sums(tl_dataset *d, double *features, int64_t *labels)
{
    *features = 0;
    *labels = 0;
    for (int64_t i = 0; i < tl_dataset_size(d); i++)
        TL_SCOPE
        {
            tl_tensor *t[TL_MAX_FIELDS];
            if (tl_dataset_batch(d, &i, 1, t) != TL_OK)
                bail_out("%s", tl_error_message());
            const float *v = tl_data(t[0]);
            for (int64_t k = 0; k < tl_numel(t[0]); k++)
                *features += (double)v[k];
            *labels += tl_item_i64(t[1]) * (i + 1);
        }
}

/* Expected numbers: sklearn.datasets.load_digits(), load_wine(). */
static void check_digits(void)
{
    double features;
    int64_t labels, per_class[2][10] = {{0}};
    tl_dataset *d = tl_data_open("digits");

    if (!ok(d != NULL, "digits open"))
        bail_out("%s", tl_error_message());
    const struct tl_dataset_info *info = tl_dataset_info(d);
    ok(info->size == 1797 && info->n_classes == 10 && info->n_fields == 2, "1,797 digits of 10 classes");
    ok(info->ndim == 3 && info->shape[0] == 1 && info->shape[1] == 8 && info->shape[2] == 8, "of 1 x 8 x 8");
    is_string(info->classes[7], "7", "classes have names");
    sums(d, &features, &labels);
    is_float(features * 16, 561718, 0, "the pixels are scikit-learn's, divided by 16");
    is_int(labels, 7272861, "so are the labels");
    tl_dataset_free(d);

    tl_dataset *part[2] = {tl_data_open("digits", .split = "train"), tl_data_open("digits", .split = "test")};
    ok(part[0] && part[1] && tl_dataset_size(part[0]) + tl_dataset_size(part[1]) == 1797, "train and test are all of it");
    ok(llabs(tl_dataset_size(part[1]) - 359) <= 5, "a fifth is for the test: %lld", (long long)tl_dataset_size(part[1]));
    for (int p = 0; p < 2; p++)
        for (int64_t i = 0; i < tl_dataset_size(part[p]); i++)
            per_class[p][label(part[p], i)]++;
    bool fair = true;
    for (int c = 0; c < 10; c++)
        fair = fair && llabs(per_class[1][c] * 5 - per_class[0][c] - per_class[1][c]) <= 3;
    ok(fair, "of every class");
    tl_dataset *again = tl_data_open("digits", .split = "test"), *other = tl_data_open("digits", .split = "test", .seed = 1);
    double f[3];
    int64_t l[3];
    sums(part[1], &f[0], &l[0]);
    sums(again, &f[1], &l[1]);
    sums(other, &f[2], &l[2]);
    ok(f[0] == f[1] && l[0] == l[1], "the same part each time");
    ok(f[0] != f[2], "another by another seed");
    for (int p = 0; p < 2; p++)
        tl_dataset_free(part[p]);
    tl_dataset_free(again);
    tl_dataset_free(other);

    d = tl_data_open("digits", .options = "raw");
    TL_SCOPE
    {
        tl_tensor *t[2];
        ok(d && tl_dataset_get(d, 0, t) == TL_OK && tl_dtype_of(t[0]) == TL_U8 && tl_ndim(t[0]) == 3, "raw digits are bytes");
        const unsigned char *v = t[0] ? tl_data(t[0]) : NULL;
        ok(v && v[2] == 5 && v[3] == 13, "from 0 to 16");
    }
    tl_dataset_free(d);
    ok(!tl_data_open("digits", .split = "validation") && tl_error_code() == TL_ERR_ARGUMENT, "a split that is not there");
    contains(tl_error_message(), "\"validation\"", "is named");
    tl_error_clear();
}

static void check_wine(void)
{
    tl_dataset *d = tl_data_open("wine");
    double features;
    int64_t labels;

    if (!ok(d != NULL, "wine opens"))
        bail_out("%s", tl_error_message());
    const struct tl_dataset_info *info = tl_dataset_info(d);
    ok(info->size == 178 && info->n_classes == 3 && info->shape[0] == 13 && info->ndim == 1, "178 wines of 13 numbers, 3 classes");
    is_string(info->classes[2], "class_2", "classes have names");
    is_string(info->columns[0], "alcohol", "columns too");
    is_string(info->columns[12], "proline", "to the last");
    sums(d, &features, &labels);
    is_float(features, 159975.296, 0.01, "the numbers are scikit-learn's");
    is_int(labels, 21577, "so are the labels");
    tl_dataset_free(d);

    d = tl_data_open("wine", .options = "standardize");
    double sum = 0, square = 0;
    for (int64_t i = 0; i < 178; i++) {
        sum += feature(d, i, 12);
        square += feature(d, i, 12) * feature(d, i, 12);
    }
    is_float(sum / 178, 0, 1e-6, "standardized: mean 0");
    is_float(square / 178, 1, 1e-6, "deviation 1");
    is_float(feature(d, 0, 0), 1.5186125409, 1e-6, "scikit-learn's value");
    tl_dataset_free(d);

    tl_dataset *train = tl_data_open("wine", .options = "standardize", .split = "train"), *test = tl_data_open("wine", .options = "standardize", .split = "test");
    sum = 0;
    for (int64_t i = 0; train && i < tl_dataset_size(train); i++)
        sum += feature(train, i, 3);
    is_float(sum / (double)tl_dataset_size(train), 0, 1e-6, "the scale is learned from the training part");
    sum = 0;
    for (int64_t i = 0; test && i < tl_dataset_size(test); i++)
        sum += feature(test, i, 3);
    ok(fabs(sum / (double)tl_dataset_size(test)) > 1e-4, "and not from the test part");
    tl_dataset_free(train);
    tl_dataset_free(test);
}

/* ---- Tables as they are met ---- */

static void check_forms(void)
{
    tl_dataset *d = table("a,b,class\n1,2,x\n3,4.5,y\n-5e-1,+.25,x\n");
    ok(d && tl_dataset_size(d) == 3 && feature(d, 1, 1) == 4.5 && feature(d, 2, 0) == -0.5 && feature(d, 2, 1) == 0.25, "a plain table");
    ok(d && label(d, 0) == 0 && label(d, 1) == 1 && label(d, 2) == 0, "text labels in the order of their text");
    tl_dataset_free(d);

    d = table("\xef\xbb\xbf\"a\";\"the \"\"b\"\"\";label\r\n1;2;\"x, y\"\r\n3;4;\"two\nlines\"\r\n\r\n");
    ok(d && tl_dataset_size(d) == 2 && feature(d, 1, 1) == 4, "byte order mark, CRLF, semicolons, quotes, a blank line");
    ok(d && strcmp(tl_dataset_info(d)->columns[0], "a") == 0, "the mark is no part of the first name");
    ok(d && strcmp(tl_dataset_info(d)->columns[1], "the \"b\"") == 0, "doubled quotes are one");
    ok(d && strcmp(tl_dataset_info(d)->classes[1], "x, y") == 0, "a delimiter in quotes does not cut");
    tl_dataset_free(d);

    d = table("5.1\t3.5\tsetosa\r4.9\t3.0\tvirginica\r");
    ok(d && tl_dataset_size(d) == 2 && !tl_dataset_info(d)->columns && feature(d, 0, 0) == (double)5.1f, "tabs, CR alone, and no header");
    tl_dataset_free(d);
    d = table("a,b\nc,1\n", .options = "no-header");
    ok(!d, "no_header takes the first row as data");
    contains(tl_error_message(), "t.csv:1: column 1: \"a\" is not a finite number", "which is an error here");
    tl_error_clear();

    d = table("class,u,v\nx,1,2\ny,3,4\n");
    ok(d && label(d, 1) == 1 && feature(d, 1, 0) == 3 && strcmp(tl_dataset_info(d)->columns[1], "v") == 0, "a column named class is the label");
    tl_dataset_free(d);
    d = table("u,v,w\n1,x,2\n3,y,4\n", .options = "label=v");
    ok(d && label(d, 1) == 1 && feature(d, 1, 1) == 4, "a label column by name");
    tl_dataset_free(d);
    d = table("u,v,w\n1,x,2\n3,y,4\n", .options = "label=1");
    ok(d && label(d, 1) == 1 && feature(d, 1, 1) == 4, "and by number");
    tl_dataset_free(d);
    d = table("u|v\n1|x\n", .options = "delimiter=|");
    ok(d && feature(d, 0, 0) == 1, "a delimiter that is given");
    tl_dataset_free(d);

    d = table("u,v\n1,30\n2,10\n3,20\n4,10\n5,30\n6,20\n");
    ok(d && tl_dataset_info(d)->n_classes == 3 && label(d, 0) == 2 && label(d, 1) == 0, "few whole numbers are classes");
    ok(d && strcmp(tl_dataset_info(d)->classes[2], "30") == 0, "in the order of the numbers");
    tl_dataset_free(d);
    d = table("u,v\n1,1.5\n2,2.5\n3,4.5\n");
    TL_SCOPE
    {
        tl_tensor *t[2];
        int64_t two[2] = {0, 2};
        ok(d && tl_dataset_info(d)->n_classes == 0 && tl_dataset_batch(d, two, 2, t) == TL_OK && tl_dtype_of(t[1]) == TL_F32 &&
               tl_ndim(t[1]) == 2 && ((const float *)tl_data(t[1]))[1] == 4.5f,
           "other numbers are targets");
    }
    is_int(label(d, 0), -1, "which are no labels");
    tl_error_clear();
    tl_dataset_free(d);
    d = table("u,v\n1,x\n2,y"); /* the file ends without a line end */
    ok(d && tl_dataset_size(d) == 2 && label(d, 1) == 1, "no line end at the end");
    tl_dataset_free(d);

    d = tl_data_open(files_write("other.tsv", "a\tb\n1\tx\n2\ty\n", 12));
    ok(d && tl_dataset_size(d) == 2, "a path in place of a name");
    tl_dataset_free(d);
}

/* ---- Bad tables ---- */

static void bad(const char *what, tl_dataset *d, tl_status code, const char *words)
{
    ok(!d && tl_error_code() == code, "%s: %s", what, tl_status_name(code));
    contains(tl_error_message(), words, "it says what and where");
    if (d)
        tl_dataset_free(d);
    tl_error_clear();
}

static void check_bad(void)
{
    bad("a missing cell", table("a,b,c\n1,2,x\n3,,y\n"), TL_ERR_FORMAT, "t.csv:3: column 2 (\"b\"): the cell is empty");
    bad("text among numbers", table("a,b,c\n1,2,x\n3,four,y\n"), TL_ERR_FORMAT, "t.csv:3: column 2 (\"b\"): \"four\" is not");
    bad("NaN", table("a,b,c\n1,nan,x\n3,4,y\n"), TL_ERR_FORMAT, "t.csv:2: column 2 (\"b\"): \"nan\" is not a finite");
    bad("infinity", table("a,b,c\n1,inf,x\n3,4,y\n"), TL_ERR_FORMAT, "\"inf\"");
    bad("hexadecimal", table("a,b,c\n1,0x10,x\n"), TL_ERR_FORMAT, "\"0x10\"");
    bad("too large for f32", table("a,b,c\n1,1e39,x\n"), TL_ERR_FORMAT, "\"1e39\"");
    bad("too large for f64", table("a,b,c\n1,1e999,x\n"), TL_ERR_FORMAT, "\"1e999\"");
    bad("a decimal comma", table("a;b;c\n1;2,5;x\n"), TL_ERR_FORMAT, "decimal sign must be a point");
    bad("a short row", table("a,b,c\n1,2,x\n3,4\n"), TL_ERR_FORMAT, "t.csv:3: this row has 2 cells, the first row has 3");
    bad("a long row", table("a,b,c\n1,2,x\n3,4,5,y\n"), TL_ERR_FORMAT, "t.csv:3: this row has 4 cells");
    bad("an open quote", table("a,b,c\n1,2,\"x\n3,4,y\n"), TL_ERR_FORMAT, "t.csv:2: a quote is opened and never closed");
    bad("text after a quote", table("a,b,c\n1,2,\"x\"z\n"), TL_ERR_FORMAT, "t.csv:2: text follows a closing quote");
    bad("an empty label", table("a,b,c\n1,2,x\n1,2,\n"), TL_ERR_FORMAT, "t.csv:3: column 3 (\"c\"): the label is missing");
    bad("a NaN label", table("a,b,c\n1,2,NaN\n1,2,3\n"), TL_ERR_FORMAT, "t.csv:2: column 3 (\"c\"): the label is NaN");
    bad("a target too large for f32", table("a,b,c\n1,2,1.5\n1,2,-1e39\n"), TL_ERR_LIMIT, "t.csv:3: column 3 (\"c\"): the label -1e39 is beyond");
    bad("a target too large for f64", table("a,b,c\n1,2,1.5\n1,2,1e999\n3,4,2.5\n"), TL_ERR_FORMAT, "t.csv:3: column 3 (\"c\"): the label \"1e999\"");
    bad("a word among targets", table("a,b,c\n1,2,1.5\n1,2,2.5\n1,2,?\n3,4,3.5\n"), TL_ERR_FORMAT, "as 3 of the 4 labels are");
    bad("an empty file", table(""), TL_ERR_FORMAT, "t.csv: the file is empty");
    bad("blank lines only", table("\n\r\n  \n"), TL_ERR_FORMAT, "t.csv: the file is empty");
    bad("a header only", table("a,b,c\n"), TL_ERR_FORMAT, "a header and no row of data");
    bad("one column", table("a\nx\n"), TL_ERR_FORMAT, "one column only");
    bad("a label column that is not there", table("a,b\n1,x\n", .options = "label=z"), TL_ERR_NOT_FOUND, "no label column \"z\"");
    bad("a label number past the end", table("a,b\n1,x\n", .options = "label=2"), TL_ERR_NOT_FOUND, "a number from 0 to 1");
    bad("a long delimiter", table("a,b\n1,x\n", .options = "delimiter=\\,\\,"), TL_ERR_ARGUMENT, "must be one character");
    bad("a quote as the delimiter", table("a,b\n1,x\n", .options = "delimiter=\""), TL_ERR_ARGUMENT, "must be one character");
    bad("a share over 1", table("a,b\n1,x\n", .split = "test", .test_share = 2), TL_ERR_ARGUMENT, "between 0 and 1");
    bad("no row to learn from", table("a,b\n1,x\n", .split = "train", .test_share = 1, .options = "standardize"), TL_ERR_ARGUMENT,
        "no row is left");

    files_write("t.csv", "a,b\n1,\0\n", 8);
    bad("a NUL byte", tl_data_open("csv", .path = files_path),
        TL_ERR_FORMAT, "byte 6 is 0");
    files_write("t.csv", "\xff\xfe" "a\0,\0", 6);
    bad("UTF-16", tl_data_open("csv", .path = files_path),
        TL_ERR_UNSUPPORTED, "UTF-16");
    bad("no such file", tl_data_open("/nowhere/at/all.csv"), TL_ERR_NOT_FOUND, "cannot open \"/nowhere/at/all.csv\": No such file");
    bad("a folder", tl_data_open("csv", .path = files_folder),
        TL_ERR_IO, "is not a regular file");
    bad("no such set", tl_data_open("nothing"), TL_ERR_NOT_FOUND, "digits");
    bad("an unknown ending", tl_data_open("./x.unknown"), TL_ERR_NOT_FOUND, "ending is known");
    bad("csv without a path", tl_data_open("csv"), TL_ERR_ARGUMENT, "give the path");
    bad("a path twice", tl_data_open("a.csv", .path = "b.csv"), TL_ERR_ARGUMENT, "gives another");
}

/* What is near to those, and no mistake. */
static void check_odd(void)
{
    tl_dataset *d = table("a,b,c\n3.4028235e+38,2,1.5\n1,2,2.5\n3,4,3.5\n");
    ok(d && feature(d, 0, 0) == (double)FLT_MAX, "the largest number of f32 is one: %s", tl_error_message());
    tl_dataset_free(d);
    d = table("a,b,c\n1,2,7\n1,2,7b\n1,2,8\n1,2,7\n1,2,7b\n1,2,8\n");
    ok(d && tl_dataset_info(d)->n_classes == 3, "classes may be numbers and words when they repeat: %s", tl_error_message());
    tl_dataset_free(d);
}

/* Random damage must give a table or an error, nothing else. */
static void check_damage(void)
{
    static const char text[] = "a,\"b \"\"q\"\"\",class\n1,2.5,x\n-3e2,4,\"y, z\"\n5,6,x\n";
    uint32_t state = 12345;
    int opened = 0, refused = 0;

    for (int round = 0; round < 2000; round++) {
        char copy[sizeof text];
        memcpy(copy, text, sizeof text);
        size_t n = sizeof text - 1;
        for (int k = 0; k < 3; k++) {
            state = state * 1664525 + 1013904223;
            copy[(state >> 8) % n] = (char)(state >> 24 & 1 ? ",\"\n\r;\t\0x"[state >> 16 & 7] : (char)(state >> 16));
        }
        if (round % 5 == 0)
            n = state % n;
        files_write("t.csv", copy, n);
        tl_dataset *d = tl_data_open("csv", .path = files_path);
        opened += d != NULL;
        refused += !d && tl_error_code() != TL_OK;
        tl_dataset_free(d);
        tl_error_clear();
    }
    is_int(opened + refused, 2000, "every damaged table opens (%d) or is refused (%d)", opened, refused);
}

static void check_compressed(void)
{
    static const char text[] = "a,b\n1,x\n2,y\n";
    unsigned char z[100];
    size_t n = files_gzip((const unsigned char *)text, strlen(text), z);
    tl_dataset *d = tl_data_open(files_write("z.csv.gz", z, n));

    if (!d && tl_error_code() == TL_ERR_UNSUPPORTED) { /* built without zlib */
        contains(tl_error_message(), "no zlib", "a compressed table, without zlib");
        tl_error_clear();
        skip(6, "built without zlib");
        return;
    }
    ok(d && tl_dataset_size(d) == 2, "a compressed table");
    tl_dataset_free(d);
    for (size_t cut = 11; cut < n; cut += 6)
        bad("a compressed table cut short", tl_data_open(files_write("z.csv.gz", z, cut)), TL_ERR_TRUNCATED, "ends too early");
    z[20] ^= 1;
    bad("a compressed table with a changed byte", tl_data_open(files_write("z.csv.gz", z, n)), TL_ERR_FORMAT, "damaged gzip");
    z[10] = 7;
    bad("one whose stream is damaged", tl_data_open(files_write("z.csv.gz", z, n)), TL_ERR_FORMAT, "damaged gzip");
}

static void check_names(void)
{
    const struct tl_data_source *list[64];
    size_t n = tl_data_sources(list, 64);
    bool digits = false;

    for (size_t i = 0; i < n && i < 64; i++)
        digits = digits || (strcmp(list[i]->name, "digits") == 0 && list[i]->summary[0]);
    ok(digits, "digits is among the names of data sets");
    is_int(tl_data_sources(NULL, 0), n, "names can be counted first");
}

int main(void)
{
    files_begin("data_tables");
    setenv("XDG_DATA_HOME", files_folder, 1);
    unsetenv("TELAR_DATA");
    check_digits();
    check_wine();
    check_forms();
    check_bad();
    check_odd();
    check_damage();
    check_compressed();
    check_names();
    files_end();
    return done_testing();
}
