/* SPDX-License-Identifier: Apache-2.0
 *
 * The classes that weights have learnt to tell apart, or the characters of a language: noted in the weight file, one a line, and compared with
 * those of the data that the weights meet later. A number stands for a class by its place among the names alone, so other names mean that
 * every answer is about something else.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

/* What is not UTF-8 becomes U+FFFD: weight files hold text. At most three bytes for one. */
static char *put_utf8(char *to, const char *name)
{
    while (*name) {
        int n = utf8_sequence(name);
        if (n == 0) {
            to = stpcpy(to, "\xef\xbf\xbd");
            name++;
        } else {
            memcpy(to, name, (size_t)n);
            to += n;
            name += n;
        }
    }
    *to = '\0';
    return to;
}

char *list_classes(const char *const *names, int64_t n)
{
    size_t size = 1;
    for (int64_t i = 0; names && i < n; i++)
        if (strchr(names[i], '\n'))
            return NULL;
        else
            size += 3 * strlen(names[i]) + 1;
    char *list = names && n ? malloc(size) : NULL, *to = list;
    for (int64_t i = 0; list && i < n; i++)
        to = put_utf8(stpcpy(to, i ? "\n" : ""), names[i]);
    return list;
}

/* The data set of this name, or at this path, can be told its characters. */
static bool takes_vocabulary(const char *data)
{
    const struct tl_data_source *source = tl_data_source_of(data);
    tl_error_clear();
    for (const struct tl_plugin_option *o = source ? source->options : NULL; o && o->name; o++)
        if (strcmp(o->name, "vocabulary") == 0)
            return true;
    return false;
}

tl_status keep_vocabulary(struct job *j)
{
    size_t size = 1;
    if (!j->class_names || !(j->model->tasks & TL_LANGUAGE) || !j->data_name || !takes_vocabulary(j->data_name) || tl_config_mentions(j->data_text, "vocabulary"))
        return TL_OK;
    for (int64_t i = 0; i < j->n_class_names; i++)
        size += strlen(j->class_names[i]);
    char *all = malloc(size), *to = all;
    for (int64_t i = 0; all && i < j->n_class_names; i++)
        to = stpcpy(to, j->class_names[i]);
    char *longer = all ? tl_config_append(j->data_text, "vocabulary", all) : NULL;
    free(all);
    if (!longer)
        return tl_fail(TL_ERR_NOMEM, "out of memory");
    free(j->data_text);
    j->data_text = longer;
    j->data_options.options = longer;
    return TL_OK;
}

/* The i-th line of a list, as long as it is. */
static const char *line_of(const char *list, int64_t i, int *length)
{
    for (; list && i > 0; i--)
        list = strchr(list, '\n') ? strchr(list, '\n') + 1 : NULL;
    *length = list ? (int)strcspn(list, "\n") : 0;
    return list ? list : "";
}

static int64_t count_lines(const char *list)
{
    int64_t n = 1;
    for (; *list; list++)
        n += *list == '\n';
    return n;
}

static void print_warning(const struct job *j, const char *noted, const char *list)
{
    int64_t n = count_lines(noted), here = count_lines(list);
    char message[400];
    snprintf(message, sizeof message, "the weights tell apart %lld classes, %.200s has %lld", (long long)n, j->data_name, (long long)here);
    for (int64_t i = 0; n == here && i < n; i++) {
        int ours, theirs;
        const char *a = line_of(list, i, &ours), *b = line_of(noted, i, &theirs);
        if (ours == theirs && strncmp(a, b, (size_t)ours) == 0)
            continue;
        snprintf(message, sizeof message, "class %lld is \"%.*s\" to the weights and \"%.*s\" in %.200s", (long long)i, theirs < 60 ? theirs : 60, b,
                 ours < 60 ? ours : 60, a, j->data_name);
        break;
    }
    fputs("telar: ", stderr);
    print_harmless(stderr, message, sizeof message);
    fputc('\n', stderr);
}

void warn_of_classes(const struct job *j)
{
    const struct tl_dataset_info *info = tl_dataset_info(j->train ? j->train : j->test);
    const char *noted = j->class_names ? tl_state_note(j->weights, "telar.classes") : NULL;
    char *list = noted ? list_classes(info->classes, info->n_classes) : NULL;
    if (list && strcmp(list, noted) != 0)
        print_warning(j, noted, list);
    free(list);
}
