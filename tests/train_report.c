/* SPDX-License-Identifier: Apache-2.0
 *
 * Classification reports against scikit-learn's, the confusion matrix, accuracy, and what they refuse.
 */
#include <telar/nn.h>

#include "tests/tap.h"

/* The message is read after the call that may set it. */
#define check(call, ...)           \
    do {                           \
        const bool good_ = (call); \
        ok(good_, __VA_ARGS__);    \
    } while (0)

enum { MOST = 512 };

static bool read_line(FILE *f, char *line, size_t size)
{
    if (!fgets(line, (int)size, f))
        return false;
    line[strcspn(line, "\n")] = 0;
    return true;
}

static bool read_labels(FILE *f, int64_t *labels, int n)
{
    for (int i = 0; i < n; i++) {
        long long v;
        if (fscanf(f, "%lld", &v) != 1)
            return false;
        labels[i] = v;
    }
    return fgetc(f) == '\n';
}

/* One case of the golden file. false at its end. */
static bool golden_case(FILE *f, int number)
{
    int classes, samples, digits, lines;
    char zero[16], names[16][64], line[512], expected[4096] = "";
    const char *pointers[16];
    static int64_t truth[MOST], predicted[MOST];
    if (!read_line(f, line, sizeof line) || sscanf(line, "case %d %d %d %15s", &classes, &samples, &digits, zero) != 4 ||
        classes > 16 || samples > MOST)
        return false;
    for (int i = 0; i < classes; i++) {
        read_line(f, names[i], sizeof names[i]);
        pointers[i] = names[i];
    }
    if (!read_labels(f, truth, samples) || !read_labels(f, predicted, samples) || !read_line(f, line, sizeof line))
        return false;
    lines = atoi(line);
    for (int i = 0; i < lines && read_line(f, line, sizeof line); i++)
        snprintf(expected + strlen(expected), sizeof expected - strlen(expected), "%s\n", line);
    TL_SCOPE {
        tl_confusion *c = tl_confusion_new(classes, pointers);
        tl_tensor *t = tl_from_data(TL_SHAPE(samples), truth, (struct tl_options){.dtype = TL_I64});
        tl_tensor *p = tl_from_data(TL_SHAPE(samples), predicted, (struct tl_options){.dtype = TL_I64});
        ok(tl_confusion_add(c, t, p) == TL_OK, "case %d: counted", number);
        char *text = tl_classification_report(c, &(struct tl_report_options){.digits = digits, .zero_division = strtod(zero, NULL)});
        ok(text && strcmp(text, expected) == 0, "case %d: the report is scikit-learn's", number);
        if (text && strcmp(text, expected) != 0)
            diag("got:\n%s\nexpected:\n%s", text, expected);
        free(text);
        tl_confusion_free(c);
    }
    return true;
}

static void test_matrix(void)
{
    TL_SCOPE {
        const char *names[] = {"cat", "dog"};
        tl_confusion *c = tl_confusion_new(2, names);
        tl_tensor *t = tl_tensor_i64(TL_SHAPE(5), 0, 0, 1, 1, 1), *p = tl_tensor_i64(TL_SHAPE(5), 0, 1, 1, 1, 1);
        ok(tl_confusion_add(c, t, p) == TL_OK, "matrix: counted");
        ok(tl_confusion_add(c, t, p) == TL_OK, "matrix: counted again, counts add up");
        ok(tl_confusion_at(c, 0, 1) == 2 && tl_confusion_at(c, 1, 1) == 6 && tl_confusion_total(c) == 10, "matrix: entries");
        ok(fabs(tl_confusion_accuracy(c) - 0.8) < 1e-12, "matrix: accuracy");
        char *text = tl_confusion_to_string(c);
        const char *expected = "  true | cat dog  <- predicted\n"
                               "-------+--------\n"
                               "   cat |   2   2\n"
                               "   dog |   .   6\n";
        ok(text && strcmp(text, expected) == 0, "matrix: as text");
        if (text && strcmp(text, expected) != 0)
            diag("got:\n%s", text);
        free(text);

        check(tl_confusion_add(c, tl_tensor_i64(TL_SHAPE(2), 0, 2), tl_tensor_i64(TL_SHAPE(2), 0, 0)) == TL_ERR_INDEX,
           "matrix: a label out of range: %s", tl_error_message());
        tl_error_clear();
        check(tl_confusion_add(c, t, tl_tensor_i64(TL_SHAPE(2), 0, 0)) == TL_ERR_SHAPE, "matrix: unequal numbers: %s", tl_error_message());
        tl_error_clear();
        check(tl_confusion_add(c, t, tl_tensor_f32(TL_SHAPE(5), 0, 0, 0, 0, 0)) == TL_ERR_DTYPE, "matrix: not integers: %s",
           tl_error_message());
        tl_error_clear();
        ok(tl_confusion_total(c) == 10, "matrix: what failed was not counted");
        tl_confusion_free(c);
        check(!tl_confusion_new(0, NULL) && tl_error_code() == TL_ERR_ARGUMENT, "matrix: no classes: %s", tl_error_message());
        tl_error_clear();
        check(!tl_confusion_new(1 << 30, NULL) && tl_error_code() == TL_ERR_ARGUMENT, "matrix: a billion classes: %s", tl_error_message());
        tl_error_clear();
    }
}

static void test_accuracy(void)
{
    TL_SCOPE {
        tl_tensor *y = tl_tensor_f32(TL_SHAPE(4, 3), 1, 2, 3, 3, 2, 1, 1, 3, 2, 9, 8, 7);
        tl_tensor *labels = tl_tensor_i64(TL_SHAPE(4), 2, 0, 1, 1);
        ok(fabs(tl_item(tl_accuracy(y, labels)) - 0.75) < 1e-6, "accuracy: three of four");
        check(!tl_accuracy(labels, labels) && tl_error_code() == TL_ERR_SHAPE, "accuracy: without classes: %s", tl_error_message());
        tl_error_clear();
        check(!tl_accuracy(y, tl_unsqueeze(labels, 1)) && tl_error_code() == TL_ERR_SHAPE, "accuracy: a column of labels: %s",
              tl_error_message());
        tl_error_clear();
    }
}

int main(void)
{
    FILE *f = fopen(TEST_SRCDIR "/tests/golden/report.txt", "r");
    int n = 0;
    ok(f != NULL, "golden file");
    while (f && golden_case(f, n + 1))
        n++;
    ok(n == 12, "all cases of the golden file: %d", n);
    if (f)
        fclose(f);
    test_matrix();
    test_accuracy();
    return done_testing();
}
